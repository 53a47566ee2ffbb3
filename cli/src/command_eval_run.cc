#include <algorithm>
#include <memory>
#include <unordered_set>

#include "ann_points.h"
#include "ann_sweep.h"
#include "command.h"
#include "database_opening.h"
#include "eval_input.h"
#include "json_lines.h"
#include "leadline/core/clock.h"
#include "leadline/core/file_system.h"
#include "leadline/core/options.h"
#include "leadline/eval/evaluated_run.h"
#include "progress_bar.h"
#include "run_files.h"
#include "run_source.h"
#include "search_arguments.h"
#include "signal_stop.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

constexpr uint64_t kDefaultDepth = 100;
constexpr size_t kSnippetBytes = 220;
/// The report's recall against exact search: neighbours, queries, and distances spent on them.
constexpr size_t kAnnNeighbours = 10;
constexpr size_t kMaxAnnQueries = 200;
constexpr size_t kMinAnnQueries = 20;
constexpr uint64_t kAnnDistances = 200'000'000;

struct EvalRunArguments {
  DatabaseArguments where;
  SearchArguments search;
  std::string queries;
  std::string qrels;
  std::vector<std::string> measures;
  std::string rules = "trec10";
  std::optional<std::string> save;
  std::optional<std::string> out;
  std::string document_key;
  std::string sweep = "auto";
  bool all_queries = false;
  bool replace = false;
  uint64_t threads = 1;
  uint64_t batch = 1;
  uint64_t warmup = 32;
  uint64_t seed = 42;
};

/// The places where the run's files go, checked before any work is done.
Result<std::vector<std::string>> Destinations(const EvalRunArguments& args) {
  std::vector<std::string> directories;
  if (args.save) {
    LEADLINE_RETURN_IF_ERROR(CheckRunName(*args.save));
    directories.push_back(SavedRunDirectory(args.where.database, *args.save));
    const bool exists =
        FileSystem::Posix()->FileExists(JoinPath(directories.back(), "run.json")).ok();
    if (exists && !args.replace) {
      return AlreadyExistsError("a run of this name is saved: --save=" + *args.save +
                                " (--replace overwrites it)");
    }
  }
  if (args.out) {
    directories.push_back(*args.out);
  }
  return directories;
}

/// What the report shows of a document: its text fields, else its payload.
std::string Snippet(const Record& record, const CollectionOptions& options) {
  const Json payload = PayloadJson(record.payload);
  std::string text;
  for (const std::string& field : options.text_fields) {
    const auto found = payload.find(field);
    if (found != payload.end() && found->is_string()) {
      text += (text.empty() ? "" : " - ") + found->get<std::string>();
    }
  }
  if (text.empty() && !payload.empty()) {
    text = JsonText(payload);
  }
  if (text.size() > kSnippetBytes) {
    size_t end = kSnippetBytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
      --end;  // not inside a code point
    }
    text = text.substr(0, end) + "...";
  }
  return text;
}

/// Fetches what the report shows of the first hits of every query.
Status LoadSnippets(Collection& collection, eval::EvaluatedRun* evaluated) {
  std::unordered_set<std::string> wanted;
  for (const eval::QueryOutcome& query : evaluated->run.queries) {
    for (size_t i = 0; i < std::min(query.hits.size(), eval::kMaxReportHits); ++i) {
      wanted.insert(query.hits[i].record);
    }
  }
  const std::vector<std::string> ids(wanted.begin(), wanted.end());
  ReadOptions options;
  options.with_vectors = false;
  LEADLINE_ASSIGN_OR_RETURN(const auto records, collection.Get(ids, options));
  for (const std::optional<Record>& record : records) {
    if (record) {
      evaluated->snippets[record->id] = Snippet(*record, collection.options());
    }
  }
  return OkStatus();
}

void PrintSpeed(const eval::RunResult& run, Console& console) {
  if (run.batch > 1) {
    console.Line("searched " + std::to_string(run.queries.size()) + " queries, " +
                 std::to_string(run.batch) + " a call, in " + FormatFixed(run.wall_seconds, 2) +
                 " s");
    return;
  }
  const eval::LatencyFigures& latency = run.latency;
  console.Line("latency  p50 " + FormatMicros(latency.p50_us) + "  p95 " +
               FormatMicros(latency.p95_us) + "  p99 " + (latency.p99_reliable ? "" : "~") +
               FormatMicros(latency.p99_us) + (latency.p99_reliable ? "" : " (n<1000)"));
}

void PrintRun(const eval::EvaluatedRun& evaluated, const std::vector<std::string>& directories,
              Console& console) {
  if (console.json()) {
    console.Line(eval::RunJson(evaluated));
    return;
  }
  TablePrinter table({"measure", "mean", "lower", "upper", "queries"});
  for (size_t m = 0; m < evaluated.scores.measures.size(); ++m) {
    const eval::MeanValue& mean = evaluated.scores.means[m];
    const std::optional<eval::Interval>& interval = evaluated.intervals[m];
    table.Row({evaluated.scores.measures[m].name(),
               mean.value.defined() ? FormatFixed(mean.value.value, 4) : "undefined",
               interval ? FormatFixed(interval->lower, 4) : "",
               interval ? FormatFixed(interval->upper, 4) : "",
               std::to_string(mean.n_used) + "/" + std::to_string(mean.n_total)});
  }
  table.Print(console);
  PrintSpeed(evaluated.run, console);
  console.Line("run      " + evaluated.run.hash);
  for (const std::string& directory : directories) {
    console.Line("report   " + Printable(JoinPath(directory, "report.html")));
  }
}

/// The settings at which recall is measured, checked; none where nobody asked for that.
Result<std::vector<eval::AnnSetting>> SweepOf(const EvalRunArguments& args,
                                              const OpenedCollection& opened,
                                              const SearchOptions& search) {
  std::vector<eval::AnnSetting> sweep;
  if (args.sweep == "none" || (!args.out && !args.save)) {
    return sweep;
  }
  if (args.sweep != "auto") {
    LEADLINE_ASSIGN_OR_RETURN(sweep, ParseSweep(args.sweep));
  }
  return FitSweep(std::move(sweep), opened, search);
}

/// Measures recall against exact search on a part of the queries, at the run's own moment.
Status MeasureAnnPart(const EvalRunArguments& args, const OpenedCollection& opened,
                      const std::vector<eval::AnnSetting>& sweep, eval::RunOptions options,
                      Console& console, eval::EvaluatedRun* evaluated) {
  const uint64_t affordable = kAnnDistances / std::max<uint64_t>(1, evaluated->run.pins.rows);
  const size_t wanted = std::clamp<size_t>(affordable, kMinAnnQueries, kMaxAnnQueries);
  std::vector<eval::InputQuery> queries;
  for (size_t q = 0; q < evaluated->queries.size() && queries.size() < wanted; ++q) {
    if (evaluated->run.queries[q].error.empty()) {
      queries.push_back(evaluated->queries[q]);
    }
  }
  if (queries.empty()) {
    return OkStatus();
  }
  options.document_key.clear();
  options.search.limit = std::min<size_t>(args.search.k, kAnnNeighbours);
  evaluated->ann_queries = queries.size();
  evaluated->ann_k = options.search.limit;
  LEADLINE_ASSIGN_OR_RETURN(const eval::AnnTruth truth,
                            FindExactTruth(opened, queries, options, console));
  LEADLINE_ASSIGN_OR_RETURN(evaluated->ann,
                            MeasureSweep(opened, queries, truth, sweep, options, console));
  return OkStatus();
}

/// Searches and scores; everything is in `evaluated` but the snippets.
Status Evaluate(const EvalRunArguments& args, const OpenedCollection& opened,
                const SignalStop& stop, Console& console, eval::EvaluatedRun* evaluated) {
  eval::ScoreOptions scoring;
  LEADLINE_ASSIGN_OR_RETURN(scoring.rules, ParseTrecRules(args.rules));
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<eval::Measure> measures,
                            eval::ParseMeasures(args.measures));
  eval::RunOptions options;
  LEADLINE_ASSIGN_OR_RETURN(options.search, MakeSearchOptions(args.search));
  options.document_key = args.document_key;
  options.threads = args.threads;
  options.batch = args.batch;
  options.warmup = args.warmup;
  options.seed = args.seed;
  options.cancel = stop.token();
  LEADLINE_ASSIGN_OR_RETURN(options.search.snapshot, opened.database->TakeSnapshot());
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<eval::AnnSetting> sweep,
                            SweepOf(args, opened, options.search));
  {
    ProgressBar bar(console, "eval run", evaluated->queries.size(), "queries");
    eval::RunOptions watched = options;
    watched.progress = [&bar](size_t done) { bar.Update(done); };
    auto run = eval::RunQueries(*opened.database, *opened.collection, evaluated->queries, watched);
    if (!run.ok()) {
      Status error = run.status();
      return error.field() == "document_key" ? error.WithContext("--doc-key") : error;
    }
    evaluated->run = *std::move(run);
  }
  evaluated->finished_unix_ms = Clock::System()->UnixMillis();
  evaluated->rules = args.rules;
  if (!sweep.empty()) {
    LEADLINE_RETURN_IF_ERROR(MeasureAnnPart(args, opened, sweep, options, console, evaluated));
  }
  return eval::ScoreRun(measures, scoring, options.cancel, evaluated);
}

Result<ExitCode> RunEval(const EvalRunArguments& args, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::string> directories, Destinations(args));
  LEADLINE_ASSIGN_OR_RETURN(const eval::TrecRules rules, ParseTrecRules(args.rules));
  eval::EvaluatedRun evaluated;
  LEADLINE_ASSIGN_OR_RETURN(evaluated.qrels, LoadQrels(args.qrels, rules));
  LEADLINE_ASSIGN_OR_RETURN(evaluated.queries, LoadQueries(args.queries));
  if (!args.all_queries) {
    evaluated.queries_not_judged = eval::KeepJudged(evaluated.qrels, &evaluated.queries);
  }
  if (args.sweep != "auto" && args.sweep != "none") {
    LEADLINE_RETURN_IF_ERROR(ParseSweep(args.sweep).status());
  }
  if (evaluated.queries.empty()) {
    return InvalidFieldError("no query of the file has judgments", "--queries", args.queries,
                             "query ids of " + args.qrels);
  }
  const SignalStop stop;
  LEADLINE_ASSIGN_OR_RETURN(const OpenedCollection opened,
                            OpenForReading(args.where, static_cast<uint32_t>(args.threads)));
  LEADLINE_RETURN_IF_ERROR(Evaluate(args, opened, stop, console, &evaluated));
  if (!directories.empty()) {
    LEADLINE_RETURN_IF_ERROR(LoadSnippets(*opened.collection, &evaluated));
  }
  for (const std::string& directory : directories) {
    LEADLINE_ASSIGN_OR_RETURN(const size_t encoded, WriteRunFiles(directory, evaluated));
    if (encoded > 0) {
      console.Message("ids with blanks, % or a leading # are percent-encoded in run.trec: " +
                      std::to_string(encoded));
    }
  }
  for (const std::string& warning : eval::Warnings(evaluated, kRunWords)) {
    console.Message("warning: " + warning);
  }
  PrintRun(evaluated, directories, console);
  return ExitCode::kDone;
}

CommandBody DeclareEvalRun(Arguments& arguments) {
  auto args = std::make_shared<EvalRunArguments>();
  args->search.k = kDefaultDepth;
  DeclareAnyDatabaseAndCollection(arguments, &args->where);
  arguments
      .Text(&args->queries, "--queries", "FILE",
            "queries: JSONL, CSV, a BEIR folder, or any vector format")
      .Required();
  arguments.Text(&args->qrels, "--qrels", "FILE", "judgments: TREC, BEIR, or a BEIR folder")
      .Required();
  DeclareSearch(arguments, &args->search);
  DeclareMode(arguments, &args->search);
  arguments.Texts(&args->measures, "-m", "MEASURE",
                  "as in eval score; ndcg@10 recall@100 recip_rank judged@10 map P@10 recall@10 "
                  "success@10 unless given");
  arguments.Choice(&args->rules, "--rules", {"trec9", "trec10"}, "tie rules of the measures");
  arguments.Text(&args->save, "--save", "NAME", "keep the run in the database, as DB#NAME")
      .NotWith("--remote", "runs are kept in the directory of the database; --out keeps them here");
  arguments.Flag(&args->replace, "--replace", "let --save overwrite a run");
  arguments.Text(&args->out, "--out", "DIR",
                 "write run.json, run.trec, per_query.jsonl and report.html");
  arguments.Text(&args->document_key, "--doc-key", "KEY",
                 "payload key that names the document of a chunk: doc_id after ingest --chunk");
  arguments.Text(
      &args->sweep, "--sweep", "auto|none|NAME=N,..",
      "with --out or --save: settings at which up to 200 queries are compared with exact "
      "search");
  arguments.Flag(&args->all_queries, "--all-queries", "run queries without judgments too");
  arguments.Number(&args->threads, "--threads", "queries in flight; changes no result", 1,
                   kMaxThreads);
  arguments.Number(&args->batch, "--batch",
                   "queries a call; changes no result, and above 1 no latency is measured", 1,
                   eval::kMaxRunBatch);
  arguments.Number(&args->warmup, "--warmup", "queries searched before the clock starts", 0,
                   100'000);
  arguments.Number(&args->seed, "--seed", "of the bootstrap intervals", 0, UINT64_MAX);
  return [args](Console& console) {
    if (args->measures.empty()) {
      args->measures = eval::DefaultRunMeasures();
    }
    return RunEval(*args, console);
  };
}

}  // namespace

Command EvalRunCommand() {
  return {
      "eval run", "Run judged queries against one moment of a collection and score the answers",
      R"(Every query sees the same snapshot while writers go on. Judged queries without results, a text that
cannot be embedded among them, count as 0; queries without judgments are not run; all are counted. Intervals are 95% bootstrap intervals of
the mean; sums over queries (num_*) and geometric means (gm_*) have none. The same pins (snapshot,
collection, index build, settings, queries, seed, version) give the same run hash on any number of
threads and in batches of any size; run.json has a hash of the judgments beside the measures. Under --batch no latency is told. per_query.jsonl ends with judged
queries that were not run, marked "missing"; "undefined" in a line says why a value of it is null. With --json the content of run.json on one line.

With --remote the queries are sent to the server as those of `search` are, texts embedded here, and latencies are those
of this caller, the network in them. Everything else is as in the directory, the run hash too where both
programs are of one version; --save needs the directory.)",
      DeclareEvalRun};
}

}  // namespace leadline::cli
