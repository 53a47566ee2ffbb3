#include <memory>

#include "command.h"
#include "copy_report.h"
#include "database_opening.h"
#include "long_step.h"

namespace leadline::cli {
namespace {

struct BackupArguments {
  DatabaseArguments where;
  std::string to;
};

Result<ExitCode> RunBackup(const BackupArguments& args, Console& console) {
  LongStep step(console, "backup");
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                            OpenDatabaseForReading(args.where));
  const Result<CopyReport> made = database->Backup(args.to, step.options());
  LEADLINE_RETURN_IF_ERROR(step.Explain(made.status(), "no backup was left"));
  const ExitCode code = step.Finish(ExitCode::kDone);
  ShowCopy(console, "backup", "backup written to ", args.to, *made);
  return code;
}

CommandBody DeclareBackup(Arguments& arguments) {
  auto args = std::make_shared<BackupArguments>();
  DeclareAnyDatabase(arguments, &args->where);
  arguments.Positional(
      &args->to, "TO",
      "new directory for the backup; with --remote its name in the server's --backups");
  return [args](Console& console) { return RunBackup(*args, console); };
}

}  // namespace

Command BackupCommand() {
  return {
      "backup", "Copy one consistent state into a new directory, while writes go on",
      "Copies records, collections and indexes. Runs kept by `eval run --save` (the folder runs in "
      "DB)\nare files of their own and not in it: copy that folder too. Stopped by Ctrl-C, it "
      "leaves nothing. Damaged\nindex files are left out and named; records are not in them.\n"
      "--json: {\"backup\":TO,\"left_out\":[FILE,..]}.",
      DeclareBackup};
}

}  // namespace leadline::cli
