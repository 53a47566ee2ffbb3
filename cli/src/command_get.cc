#include <memory>

#include "command.h"
#include "database_opening.h"
#include "record_json.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

struct GetArguments {
  DatabaseArguments where;
  std::vector<std::string> ids;
  bool without_vectors = false;
};

Result<ExitCode> RunGet(const GetArguments& args, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const OpenedCollection opened, OpenForReading(args.where));
  ReadOptions options;
  options.with_vectors = !args.without_vectors;
  LEADLINE_ASSIGN_OR_RETURN(const auto records, opened.collection->Get(args.ids, options));
  std::string missing;
  TablePrinter table(options.with_vectors ? std::vector<std::string>{"id", "payload", "vector"}
                                          : std::vector<std::string>{"id", "payload"});
  for (size_t i = 0; i < records.size(); ++i) {
    if (!records[i]) {
      missing += (missing.empty() ? "" : ", ") + args.ids[i];
    } else if (console.json()) {
      WriteJsonLine(console, RecordJson(*records[i], options.with_vectors));
    } else {
      table.Row({records[i]->id, records[i]->payload, VectorsText(*records[i])});
    }
  }
  if (!console.json()) {
    table.Print(console);
  }
  if (!missing.empty()) {
    return NotFoundError("no record with id: " + missing);
  }
  return ExitCode::kDone;
}

CommandBody DeclareGet(Arguments& arguments) {
  auto args = std::make_shared<GetArguments>();
  DeclareAnyDatabaseAndCollection(arguments, &args->where);
  arguments.Positionals(&args->ids, "ID", "ids of the records");
  arguments.Flag(&args->without_vectors, "--without-vectors", "leave the vectors out");
  return [args](Console& console) { return RunGet(*args, console); };
}

}  // namespace

Command GetCommand() {
  return {"get", "Print records by id",
          "With --json one line a record, in the order asked: {\"id\",\"vector\",\"payload\"}.\n"
          "Exit code 2 when an id is unknown; the records that exist are printed all the same.",
          DeclareGet};
}

}  // namespace leadline::cli
