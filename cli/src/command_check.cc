#include <memory>

#include "command.h"
#include "database_opening.h"
#include "json_lines.h"
#include "long_step.h"

namespace leadline::cli {
namespace {

Result<CheckReport> Check(const DatabaseArguments& args, const CallOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, OpenDatabaseForReading(args));
  return database->Check(options);
}

void PrintJson(const CheckReport& report, Console& console) {
  Json problems = Json::array();
  for (const CheckProblem& problem : report.problems) {
    problems.push_back(
        {{"invariant", problem.invariant}, {"where", problem.where}, {"detail", problem.detail}});
  }
  WriteJsonLine(console,
                {{"ok", report.ok()}, {"rows", report.rows}, {"problems", std::move(problems)}});
}

void PrintTable(const CheckReport& report, Console& console) {
  if (report.ok()) {
    console.Line("ok: " + std::to_string(report.rows) + " rows checked");
    return;
  }
  for (const CheckProblem& problem : report.problems) {
    console.Line(problem.invariant + "  " + Printable(problem.where) + ": " +
                 Printable(problem.detail));
  }
}

Result<ExitCode> RunCheck(const DatabaseArguments& args, Console& console) {
  LongStep step(console, "check");
  Result<CheckReport> checked = Check(args, step.options());
  CheckReport report;
  if (checked.ok()) {
    report = *std::move(checked);
  } else if (checked.status().code() == StatusCode::kDataLoss) {
    // Too damaged to open is a finding, not a failure to look.
    report.problems.push_back({"IO", args.place(), checked.status().message()});
  } else {
    return step.Explain(checked.status(), "nothing was found out");
  }
  const ExitCode code = step.Finish(report.ok() ? ExitCode::kDone : ExitCode::kNegativeVerdict);
  if (console.json()) {
    PrintJson(report, console);
  } else {
    PrintTable(report, console);
  }
  return code;
}

CommandBody DeclareCheck(Arguments& arguments) {
  auto args = std::make_shared<DatabaseArguments>();
  DeclareAnyDatabase(arguments, args.get());
  return [args](Console& console) { return RunCheck(*args, console); };
}

}  // namespace

Command CheckCommand() {
  return {"check", "Prove that indexes, locations and counters agree with the store",
          "Writes nothing and works beside a writer. Exit code 1 when damage was found, 130 when "
          "Ctrl-C stopped it.\n"
          "--json: {\"ok\":bool,\"rows\":N,\"problems\":[{\"invariant\",\"where\",\"detail\"}]}.",
          DeclareCheck};
}

}  // namespace leadline::cli
