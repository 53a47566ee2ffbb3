#include <memory>

#include "command.h"
#include "eval_input.h"
#include "json_lines.h"
#include "leadline/eval/metrics.h"
#include "progress_bar.h"
#include "run_source.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

/// Read in a second or so where the disk is slow.
constexpr uint64_t kLargeFileBytes = uint64_t{16} << 20;

struct ScoreArguments {
  std::string run;
  std::string qrels;
  std::vector<std::string> measures;
  std::string rules = "trec10";
  uint64_t relevance_level = 1;
  uint64_t depth = 0;
  bool per_query = false;
  bool only_returned = false;
  bool judged_only = false;
};

Json ValueJson(const eval::Measure& measure, const std::string& query,
               const eval::MetricValue& value) {
  Json line = {{"measure", measure.name()}, {"query", query}, {"value", nullptr}};
  if (value.defined()) {
    line["value"] = value.value;
  } else {
    line["undefined"] = UndefinedReasonName(value.reason);
  }
  return line;
}

void PrintValue(const eval::Measure& measure, const std::string& query,
                const eval::MetricValue& value, Console& console) {
  if (console.json()) {
    WriteJsonLine(console, ValueJson(measure, query, value));
    return;
  }
  const std::string number =
      value.defined() ? FormatFixed(value.value, measure.is_count() ? 0 : 4) : "undefined";
  console.Line(measure.name() + "\t" + Printable(query) + "\t" + number);
}

/// The summary of a measure, and a remark where some queries have no part in it.
void PrintMean(const eval::Measure& measure, const eval::MeanValue& mean, Console& console) {
  if (console.json()) {
    Json line = ValueJson(measure, "all", mean.value);
    line["n_used"] = mean.n_used;
    line["n_total"] = mean.n_total;
    WriteJsonLine(console, line);
  } else {
    PrintValue(measure, "all", mean.value, console);
  }
  if (mean.n_used != mean.n_total) {
    console.Message(measure.name() + " is defined for " + std::to_string(mean.n_used) + " of " +
                    std::to_string(mean.n_total) + " queries");
  }
}

void PrintCounts(const eval::ScoreCounts& counts, Console& console) {
  const std::vector<std::pair<std::string, size_t>> list = {
      {"queries_judged", counts.queries_judged},
      {"queries_evaluated", counts.queries_evaluated},
      {"queries_missing", counts.queries_missing},
      {"queries_extra", counts.queries_extra},
      {"queries_without_relevant", counts.queries_without_relevant},
      {"docs_returned", counts.docs_returned},
      {"docs_unjudged", counts.docs_unjudged}};
  std::string text;
  for (const auto& [name, value] : list) {
    if (console.json()) {
      WriteJsonLine(console, {{"measure", name}, {"query", "all"}, {"value", value}});
    }
    text += (text.empty() ? "" : "  ") + name + "=" + std::to_string(value);
  }
  if (!console.json()) {
    console.Message(text);
  }
}

void PrintReport(const eval::ScoreReport& report, bool per_query, Console& console) {
  if (per_query) {
    for (const eval::QueryScores& query : report.queries) {
      for (size_t m = 0; m < report.measures.size(); ++m) {
        if (query.values[m].reason != eval::UndefinedReason::kSummaryOnly) {
          PrintValue(report.measures[m], query.id, query.values[m], console);
        }
      }
    }
  }
  for (size_t m = 0; m < report.measures.size(); ++m) {
    PrintMean(report.measures[m], report.means[m], console);
  }
  PrintCounts(report.counts, console);
}

/// Shows how much of a large file is read; that is most of the work. A small one takes no time.
eval::ReadProgress ShowReading(const Console& console, const std::string& what) {
  if (!console.interactive()) {
    return nullptr;
  }
  auto bar = std::make_shared<ProgressBar>(console, "read " + what, 0, "MiB");
  return [bar, shown = uint64_t{0}](uint64_t bytes_read, uint64_t bytes_total) mutable {
    if (bytes_total >= kLargeFileBytes && bytes_read >> 20 != shown) {
      shown = bytes_read >> 20;
      bar->Update(shown, static_cast<double>(bytes_read) / static_cast<double>(bytes_total));
    }
  };
}

Result<ExitCode> RunScore(const ScoreArguments& args, Console& console) {
  eval::ScoreOptions options;
  LEADLINE_ASSIGN_OR_RETURN(options.rules, ParseTrecRules(args.rules));
  options.queries = args.only_returned ? eval::QuerySet::kOnlyReturned : eval::QuerySet::kAllJudged;
  options.relevance_level = static_cast<int32_t>(args.relevance_level);
  options.max_docs = args.depth;
  options.judged_only = args.judged_only;
  std::vector<eval::Measure> measures = eval::OfficialMeasures();
  if (!args.measures.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(measures, eval::ParseMeasures(args.measures));
  }
  LEADLINE_ASSIGN_OR_RETURN(const eval::RankedRun run,
                            LoadRun(args.run, options.rules, ShowReading(console, "run")));
  LEADLINE_ASSIGN_OR_RETURN(const eval::Qrels qrels, LoadQrels(args.qrels, options.rules,
                                                               ShowReading(console, "judgments")));
  LEADLINE_ASSIGN_OR_RETURN(const eval::ScoreReport report,
                            eval::Score(run, qrels, measures, options));
  PrintReport(report, args.per_query, console);
  return ExitCode::kDone;
}

CommandBody DeclareScore(Arguments& arguments) {
  auto args = std::make_shared<ScoreArguments>();
  arguments.Positional(&args->run, "RUN", "TREC run file, directory written by --out, or DB#NAME");
  arguments.Positional(&args->qrels, "QRELS", "judgments: TREC, BEIR, or a BEIR folder");
  arguments.Texts(&args->measures, "-m", "MEASURE",
                  "ndcg_cut_10 or ndcg@10, map, recall_100, ..., official, all_trec; official "
                  "unless given");
  arguments.Flag(&args->per_query, "-q", "print every query too");
  arguments.Choice(&args->rules, "--rules", {"trec9", "trec10"},
                   "trec_eval 9.0.8 compares scores as 32-bit floats, 10.0 as doubles");
  arguments.Flag(&args->only_returned, "--only-returned",
                 "average over the queries that are in both files");
  arguments.Number(&args->relevance_level, "--relevance-level",
                   "lowest relevance that counts as relevant", 1, INT32_MAX);
  arguments.Number(&args->depth, "--depth", "ranks evaluated per query; 0 for all", 0, 1'000'000);
  arguments.Flag(&args->judged_only, "--judged-only",
                 "drop unjudged documents before ranking; compare with care");
  return [args](Console& console) { return RunScore(*args, console); };
}

}  // namespace

Command EvalScoreCommand() {
  return {
      "eval score", "Score a run against judgments as trec_eval does",
      R"(Prints measure, query and value separated by tabs, four decimals, "all" for the mean. Every judged
query counts, a missing one as 0; the counts of missing and extra queries and of unjudged documents
follow on standard error, and a remark where a measure is undefined for some queries. With --json a
line a value, {"measure","query","value"}, in full precision, the counts among them; an undefined
value is null with the reason in "undefined". Summaries add "n_used" and "n_total", the queries where
the measure is defined and all evaluated ones.

judged@K is 1 - unj@K, and unj@K, as in trec_eval 10, is unjudged documents among the first K divided
by K: ranks that a shorter ranking leaves empty count as judged. (ir_measures divides by what was
returned.) It is undefined where nothing was returned.

Ids of a directory written by --out and of DB#NAME are decoded: there `%`, blanks and a leading `#`
stand percent-encoded in run.trec. A TREC file given by its own name is read as it is.)",
      DeclareScore, "reads files only"};
}

}  // namespace leadline::cli
