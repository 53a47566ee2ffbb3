#include <memory>

#include "command.h"
#include "database_opening.h"
#include "json_lines.h"
#include "long_step.h"

namespace leadline::cli {
namespace {

struct RestoreArguments {
  std::string from;
  std::string database;
};

Result<ExitCode> RunRestore(const RestoreArguments& args, Console& console) {
  LongStep step(console, "restore");
  LEADLINE_RETURN_IF_ERROR(step.Explain(Database::Restore(args.from, args.database, step.options()),
                                        "no database was left"));
  const ExitCode code = step.Finish(ExitCode::kDone);
  if (console.json()) {
    WriteJsonLine(console, {{"restored", args.database}});
  } else {
    console.Line("restored to " + Printable(args.database));
  }
  return code;
}

CommandBody DeclareRestore(Arguments& arguments) {
  auto args = std::make_shared<RestoreArguments>();
  arguments.Positional(&args->from, "FROM", "directory of the backup");
  arguments.Positional(&args->database, "DB", "new directory for the database");
  return [args](Console& console) { return RunRestore(*args, console); };
}

}  // namespace

Command RestoreCommand() {
  return {"restore", "Make a database from a backup and check every file on the way",
          "Stopped by Ctrl-C, it leaves nothing.\n--json: {\"restored\":DB}.", DeclareRestore};
}

}  // namespace leadline::cli
