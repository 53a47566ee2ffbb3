#include <memory>

#include "collection_json.h"
#include "command.h"
#include "database_opening.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

/// Lists one collection, on its own line or in `table`.
Status ListOne(Database& database, const std::string& name, TablePrinter* table, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection,
                            database.OpenCollection(name));
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t rows, collection->Count(std::nullopt));
  const CollectionOptions& options = collection->options();
  if (console.json()) {
    Json object = CollectionJson(name, options);
    object["rows"] = rows;
    WriteJsonLine(console, object);
    return {};
  }
  const VectorField& field = options.vectors.front();
  table->Row({name, std::to_string(rows), std::to_string(field.dim),
              std::string(MetricName(field.metric)), std::string(IndexKindName(field.index)),
              options.embedder});
  return {};
}

Result<ExitCode> RunList(const DatabaseArguments& args, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, OpenDatabaseForReading(args));
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::string> names, database->ListCollections());
  TablePrinter table({"collection", "rows", "dim", "metric", "index", "embedder"});
  ExitCode outcome = ExitCode::kDone;
  for (const std::string& name : names) {
    Status listed = ListOne(*database, name, &table, console);
    if (listed.code() == StatusCode::kDataLoss) {
      console.Error(listed);
      outcome = ExitCode::kCouldNotRun;
      continue;
    }
    LEADLINE_RETURN_IF_ERROR(listed);
  }
  if (!console.json()) {
    table.Print(console);
  }
  return outcome;
}

CommandBody DeclareList(Arguments& arguments) {
  auto args = std::make_shared<DatabaseArguments>();
  DeclareAnyDatabase(arguments, args.get());
  return [args](Console& console) { return RunList(*args, console); };
}

}  // namespace

Command ListCommand() {
  return {"list", "List the collections of a database",
          "With --json one line a collection: {\"name\",\"vectors\":[..],..,\"rows\":N}.\nA "
          "damaged one "
          "is an error on stderr and exit code 4; the others are listed.",
          DeclareList};
}

}  // namespace leadline::cli
