#include <memory>

#include "command.h"
#include "database_opening.h"
#include "json_lines.h"

namespace leadline::cli {
namespace {

struct BackupArguments {
  DatabaseArguments where;
  std::string to;
};

Result<ExitCode> RunBackup(const BackupArguments& args, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                            OpenForReading(args.where.database));
  LEADLINE_RETURN_IF_ERROR(database->Backup(args.to));
  if (console.json()) {
    WriteJsonLine(console, {{"backup", args.to}});
  } else {
    console.Line("backup written to " + Printable(args.to));
  }
  return ExitCode::kDone;
}

CommandBody DeclareBackup(Arguments& arguments) {
  auto args = std::make_shared<BackupArguments>();
  DeclareDatabase(arguments, &args->where);
  arguments.Positional(&args->to, "TO", "new directory for the backup");
  return [args](Console& console) { return RunBackup(*args, console); };
}

}  // namespace

Command BackupCommand() {
  return {"backup", "Copy one consistent state into a new directory, while writes go on",
          "--json: {\"backup\":TO}.", DeclareBackup};
}

}  // namespace leadline::cli
