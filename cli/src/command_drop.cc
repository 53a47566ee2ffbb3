#include <memory>

#include "command.h"
#include "database_opening.h"
#include "json_lines.h"

namespace leadline::cli {
namespace {

Result<ExitCode> RunDrop(const DatabaseArguments& args, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, OpenDatabaseForWriting(args));
  LEADLINE_RETURN_IF_ERROR(database->DropCollection(args.collection));
  LEADLINE_RETURN_IF_ERROR(database->Close());
  if (console.json()) {
    WriteJsonLine(console, {{"dropped", args.collection}});
  } else {
    console.Line("dropped " + args.collection);
  }
  return ExitCode::kDone;
}

CommandBody DeclareDrop(Arguments& arguments) {
  auto args = std::make_shared<DatabaseArguments>();
  DeclareAnyDatabaseAndCollection(arguments, args.get());
  return [args](Console& console) { return RunDrop(*args, console); };
}

}  // namespace

Command DropCommand() {
  return {"drop", "Delete a collection and everything in it", "--json: {\"dropped\":NAME}.",
          DeclareDrop};
}

}  // namespace leadline::cli
