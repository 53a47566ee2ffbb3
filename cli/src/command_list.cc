#include <memory>

#include "collection_json.h"
#include "command.h"
#include "database_opening.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

Result<ExitCode> RunList(const DatabaseArguments& args, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                            OpenForReading(args.database));
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::string> names, database->ListCollections());
  TablePrinter table({"collection", "rows", "dim", "metric", "index", "embedder"});
  for (const std::string& name : names) {
    LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection,
                              database->OpenCollection(name));
    LEADLINE_ASSIGN_OR_RETURN(const uint64_t rows, collection->Count(std::nullopt));
    const CollectionOptions& options = collection->options();
    if (console.json()) {
      Json object = CollectionJson(name, options);
      object["rows"] = rows;
      WriteJsonLine(console, object);
    } else {
      const VectorField& field = options.vectors.front();
      table.Row({name, std::to_string(rows), std::to_string(field.dim),
                 std::string(MetricName(field.metric)), std::string(IndexKindName(field.index)),
                 options.embedder});
    }
  }
  if (!console.json()) {
    table.Print(console);
  }
  return ExitCode::kDone;
}

CommandBody DeclareList(Arguments& arguments) {
  auto args = std::make_shared<DatabaseArguments>();
  DeclareDatabase(arguments, args.get());
  return [args](Console& console) { return RunList(*args, console); };
}

}  // namespace

Command ListCommand() {
  return {"list", "List the collections of a database",
          "With --json one line a collection: {\"name\",\"vectors\":[..],..,\"rows\":N}.",
          DeclareList};
}

}  // namespace leadline::cli
