#include <memory>

#include "command.h"
#include "database_opening.h"
#include "json_lines.h"
#include "long_step.h"

namespace leadline::cli {
namespace {

struct RepairArguments {
  DatabaseArguments where;
  bool accept_loss = false;
};

Json ReportJson(const RepairReport& report) {
  Json object = {
      {"actions", report.actions}, {"lost_data", report.lost_data}, {"sound", report.sound}};
  if (report.log_loss) {
    object["log_loss"] = {{"path", report.log_loss->path},
                          {"offset", report.log_loss->offset},
                          {"dropped_bytes", report.log_loss->dropped_bytes},
                          {"last_sequence", report.log_loss->last_sequence}};
  }
  return object;
}

/// Tells of damage that stopped the repair: a negative verdict, not a failure to look.
Result<ExitCode> TellDamage(const Status& damage, Console& console) {
  console.Error(damage);
  if (console.json()) {
    Json object = ReportJson({});
    object["error"] = damage.message();
    WriteJsonLine(console, object);
  }
  return ExitCode::kNegativeVerdict;
}

Result<ExitCode> RunRepair(const RepairArguments& args, Console& console) {
  LongStep step(console, "repair");
  const Result<RepairReport> repaired =
      Database::Repair(args.where.database, args.accept_loss, step.options());
  if (repaired.status().code() == StatusCode::kDataLoss) {
    step.Finish(ExitCode::kNegativeVerdict);
    return TellDamage(repaired.status(), console);
  }
  LEADLINE_RETURN_IF_ERROR(
      step.Explain(repaired.status(), "what was mended stays, the next repair goes on"));
  const RepairReport& report = *repaired;
  const ExitCode code = step.Finish(report.sound ? ExitCode::kDone : ExitCode::kNegativeVerdict);
  if (console.json()) {
    WriteJsonLine(console, ReportJson(report));
    return code;
  }
  for (const std::string& action : report.actions) {
    console.Line(Printable(action));
  }
  if (report.actions.empty()) {
    console.Line("nothing to repair");
  }
  if (report.lost_data) {
    console.Line("data was lost");
  }
  return code;
}

CommandBody DeclareRepair(Arguments& arguments) {
  auto args = std::make_shared<RepairArguments>();
  DeclareDatabase(arguments, &args->where);
  arguments.Flag(&args->accept_loss, "--accept-loss",
                 "cut a damaged log at the damage, drop records whose bytes are lost");
  return [args](Console& console) { return RunRepair(*args, console); };
}

}  // namespace

Command RepairCommand() {
  return {
      "repair", "Fix what check finds in a closed database",
      "Everything but the record store is derived and rebuilt. Nothing is given up without "
      "--accept-loss.\nExit code 1 when something could not be mended, or not be read and so not "
      "be judged.\nStopped by Ctrl-C, what was mended stays; the next repair goes on.\n--json: "
      "{\"actions\":[..],\"lost_data\":bool,\"sound\":bool}, and where a log was cut\n"
      "\"log_loss\":{\"path\",\"offset\",\"dropped_bytes\",\"last_sequence\"}, the last being the "
      "newest\n"
      "write that is left. \"error\" says what kept it from mending anything more.",
      DeclareRepair, "mends the files of a closed database: run it where they are"};
}

}  // namespace leadline::cli
