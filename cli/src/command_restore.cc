#include <memory>

#include "command.h"
#include "copy_report.h"
#include "database_opening.h"
#include "long_step.h"

namespace leadline::cli {
namespace {

struct RestoreArguments {
  std::string from;
  std::string database;
};

Result<ExitCode> RunRestore(const RestoreArguments& args, Console& console) {
  LongStep step(console, "restore");
  const Result<CopyReport> made = Database::Restore(args.from, args.database, step.options());
  LEADLINE_RETURN_IF_ERROR(step.Explain(made.status(), "no database was left"));
  const ExitCode code = step.Finish(ExitCode::kDone);
  ShowCopy(console, "restored", "restored to ", args.database, *made);
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
          "Stopped by Ctrl-C, it leaves nothing. Damaged index files are left out and named; "
          "answers stay\nexact without them, and `optimize` rebuilds them.\n"
          "--json: {\"restored\":DB,\"left_out\":[FILE,..]}.",
          DeclareRestore, "makes a directory on this machine: serve that"};
}

}  // namespace leadline::cli
