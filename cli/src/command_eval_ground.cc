#include <algorithm>
#include <memory>

#include "command.h"
#include "leadline/core/file_system.h"
#include "leadline/eval/ground.h"
#include "leadline/eval/ground_json.h"
#include "leadline/eval/ground_reader.h"
#include "progress_bar.h"
#include "signal_stop.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

struct GroundArguments {
  std::string path;
  uint64_t tier = 1;
};

std::string ValueText(const GroundValue& value) {
  return value.defined() ? FormatFixed(*value.value, 4) : "undefined (" + value.reason + ")";
}

void PrintReport(const GroundReport& report, Console& console) {
  if (console.json()) {
    console.Line(eval::GroundReportJson(report));
    return;
  }
  console.Line(Printable(report.id) + ": score " + ValueText(report.score));
  TablePrinter table({"verdict", "score", "sentence", "missing"});
  for (const GroundSentence& sentence : report.sentences) {
    std::string missing;
    for (const std::string& word : sentence.evidence.missing) {
      missing += (missing.empty() ? "" : ", ") + word;
    }
    table.Row({std::string(GroundVerdictName(sentence.verdict)),
               sentence.score.defined() ? FormatFixed(*sentence.score.value, 4) : "-",
               sentence.text, missing});
  }
  table.Print(console);
}

void PrintSummary(const GroundSummary& summary, Console& console) {
  if (console.json()) {
    console.Line("{\"summary\":" + eval::GroundSummaryJson(summary) + "}");
    return;
  }
  std::vector<std::pair<std::string, std::string>> fields = {
      {"labelled responses", std::to_string(summary.n)},
      {"of these with a score", std::to_string(summary.n_scored)},
      {"of these grounded", std::to_string(summary.n_grounded)},
      {"AUROC", ValueText(summary.auroc)},
      {"PR-AUC, finding grounded ones", ValueText(summary.pr_auc)},
      {"PR-AUC, finding ungrounded ones", ValueText(summary.pr_auc_ungrounded)},
      {"balanced accuracy", ValueText(summary.balanced_accuracy)},
      {"F1 of grounded ones", ValueText(summary.f1)},
      {"F1 of ungrounded ones", ValueText(summary.f1_ungrounded)}};
  for (const GroundSummary::Baseline& baseline : summary.baselines) {
    fields.emplace_back("AUROC of " + baseline.name, ValueText(baseline.auroc));
  }
  PrintFields(console, fields);
}

/// Responses may differ much in length, so the share done is that of the bytes; a pipe has none.
void ShowProgress(const GroundReader& reader, uint64_t done, ProgressBar* bar) {
  const uint64_t total = reader.bytes_total();
  if (total == 0) {
    bar->Update(done);
  } else {
    bar->Update(
        done, std::min(1.0, static_cast<double>(reader.bytes_read()) / static_cast<double>(total)));
  }
}

/// Judges every line of the file; returns what the labelled ones gave.
Result<std::vector<GroundOutcome>> JudgeAll(const GroundJudge& judge, GroundReader& reader,
                                            const SignalStop& stop, Console& console) {
  std::vector<GroundOutcome> outcomes;
  ProgressBar bar = ProgressBar::BesideResults(console, "ground", 0, "responses");
  for (uint64_t done = 1;; ++done) {
    if (stop.requested()) {
      return CancelledError("stopped by a signal");
    }
    LEADLINE_ASSIGN_OR_RETURN(const std::optional<GroundRecord> record, reader.Next());
    if (!record) {
      return outcomes;
    }
    Result<GroundReport> report = judge.Judge(record->input);
    if (!report.ok()) {
      return report.status().WithContext("line " + std::to_string(record->line));
    }
    PrintReport(*report, console);
    if (console.broken()) {
      return console.Close();
    }
    if (record->grounded) {
      outcomes.push_back({*record->grounded, report->score, report->baselines});
    }
    ShowProgress(reader, done, &bar);
  }
}

Result<ExitCode> RunGround(const GroundArguments& args, Console& console) {
  GroundOptions options;
  options.tier = static_cast<int>(args.tier);
  const Result<GroundJudge> judge = GroundJudge::Create(options);
  if (!judge.ok()) {
    return judge.status().code() == StatusCode::kUnimplemented
               ? InvalidFieldError("not in this version", "--tier", std::to_string(args.tier),
                                   "0|1")
               : judge.status();
  }
  const SignalStop stop;
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<GroundReader> reader,
                            GroundReader::Open(FileSystem::Posix(), args.path));
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<GroundOutcome> outcomes,
                            JudgeAll(*judge, *reader, stop, console));
  if (!outcomes.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(const GroundSummary summary, SummariseGround(outcomes));
    PrintSummary(summary, console);
  }
  return ExitCode::kDone;
}

CommandBody DeclareGround(Arguments& arguments) {
  auto args = std::make_shared<GroundArguments>();
  arguments.Positional(&args->path, "FILE.jsonl",
                       "responses: {\"id\",\"response\",\"contexts\",\"question\"?,\"label\"?}");
  arguments.Number(&args->tier, "--tier",
                   "0 rules only, 1 words and word pairs too; 2 and 3 are not in this version", 0,
                   3);
  return [args](Console& console) { return RunGround(*args, console); };
}

}  // namespace

Command EvalGroundCommand() {
  return {"eval ground", "Tell per sentence whether responses are supported by their contexts",
          R"(Scores lie in 0..1, higher is better grounded. With --json one line a response,
{"id","score","sentences":[{"text","verdict","score","evidence"}]}; a score that cannot be given is
null, with a "reason" beside it. Where lines have labels, a last line {"summary":{"auroc","pr_auc",
"balanced_accuracy","f1","pr_auc_ungrounded","f1_ungrounded","n","baselines"}} compares the score and
trivial baselines with them; *_ungrounded count the responses to be found as positives. Where one of
these is null, and where no evidence was found, "undefined" beside it maps its name to the reason.)",
          DeclareGround, "reads a file only"};
}

}  // namespace leadline::cli
