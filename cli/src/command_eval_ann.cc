#include <algorithm>
#include <memory>

#include "ann_points.h"
#include "ann_sweep.h"
#include "command.h"
#include "database_opening.h"
#include "eval_input.h"
#include "exit_code.h"
#include "leadline/core/file_system.h"
#include "leadline/core/options.h"
#include "leadline/eval/ann_report.h"
#include "search_arguments.h"
#include "signal_stop.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

struct EvalAnnArguments {
  DatabaseArguments where;
  std::string queries;
  std::string truth = "exact";
  uint64_t k = 10;
  uint64_t id_offset = 0;
  uint64_t threads = 1;
  uint64_t rescore = 0;
  std::optional<std::string> sweep;
  std::optional<std::string> filter;
  std::string vector_field;
};

Result<eval::AnnTruth> FindTruth(const EvalAnnArguments& args, const OpenedCollection& opened,
                                 const std::vector<eval::InputQuery>& queries,
                                 const eval::RunOptions& options, Console& console) {
  if (args.truth == "exact") {
    return FindExactTruth(opened, queries, options, console);
  }
  if (args.filter) {
    return InvalidFieldError("a truth file knows no filter", "--truth", args.truth,
                             "exact with --filter");
  }
  auto file = eval::ReadTruth(FileSystem::Posix(), args.truth, eval::FileFormat::kAuto);
  if (!file.ok()) {
    return AsInputError(file.status());
  }
  return eval::FileTruth(*opened.collection, queries, *file, args.k, args.id_offset,
                         args.vector_field);
}

Result<ExitCode> RunAnn(const EvalAnnArguments& args, Console& console) {
  std::vector<eval::AnnSetting> sweep;
  if (args.sweep) {
    LEADLINE_ASSIGN_OR_RETURN(sweep, ParseSweep(*args.sweep));
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<eval::InputQuery> queries,
                            LoadSomeQueries(args.queries));
  eval::RunOptions options;
  LEADLINE_ASSIGN_OR_RETURN(options.search.filter, ParseFilterFlag(args.filter));
  options.search.limit = args.k;
  options.search.vector_field = args.vector_field;
  options.search.rescore = args.rescore;
  options.threads = args.threads;
  options.warmup = eval::kAnnWarmupQueries;

  const SignalStop stop;
  options.cancel = stop.token();
  LEADLINE_ASSIGN_OR_RETURN(const OpenedCollection opened, OpenForReading(args.where));
  LEADLINE_ASSIGN_OR_RETURN(options.search.snapshot, opened.database->TakeSnapshot());
  LEADLINE_ASSIGN_OR_RETURN(sweep, FitSweep(std::move(sweep), opened, options.search));
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> exact_scan,
                            ExactScanWarning(opened, options.search));
  if (exact_scan) {
    console.Message("warning: " + *exact_scan);
  }
  LEADLINE_ASSIGN_OR_RETURN(const eval::AnnTruth truth,
                            FindTruth(args, opened, queries, options, console));
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<eval::AnnPoint> points,
                            MeasureSweep(opened, queries, truth, sweep, options, console));
  LEADLINE_ASSIGN_OR_RETURN(const CollectionStats stats, opened.collection->Stats());
  if (stats.degraded) {
    console.Message("warning: the collection is degraded: some answers came from the store");
  }
  for (const std::string& warning : eval::AnnWarnings(points.front())) {
    console.Message("warning: " + warning);
  }
  if (!console.json()) {
    PrintAnnTable(points, console);
    return ExitCode::kDone;
  }
  eval::AnnReport report;
  report.points = points;
  report.k = args.k;
  report.queries = queries.size();
  report.threads = args.threads;
  report.warmup = std::min(eval::kAnnWarmupQueries, queries.size());
  report.truth = args.truth;
  report.truth_seconds = truth.seconds;
  report.filter = args.filter.value_or("");
  report.degraded = stats.degraded;
  report.sequence = options.search.snapshot->sequence();
  console.Line(eval::AnnReportJson(report));
  return ExitCode::kDone;
}

CommandBody DeclareAnn(Arguments& arguments) {
  auto args = std::make_shared<EvalAnnArguments>();
  DeclareAnyDatabaseAndCollection(arguments, &args->where);
  arguments.Text(&args->queries, "--queries", "FILE", "queries: any vector format, or JSONL")
      .Required();
  arguments.Text(&args->truth, "--truth", "exact|FILE",
                 "exact search at the same moment, or a file of row numbers (ivecs, ibin, npy, "
                 "hdf5)");
  arguments.Number(&args->k, "-k", "neighbours a query", 1, kMaxTopK);
  arguments.Number(&args->id_offset, "--id-offset", "id of row 0 of the truth file", 0,
                   uint64_t{1} << 62);
  arguments.Text(
      &args->sweep, "--sweep", "NAME=N,N,..",
      "ef_search values for hnsw, nprobe values for ivf; a few that fit the index unless "
      "given");
  arguments.Text(&args->filter, "--filter", "EXPR", "only records that match");
  arguments.Text(&args->vector_field, "--vector-field", "NAME",
                 "vector to search; the collection's first unless given");
  arguments.Number(&args->rescore, "--rescore", kRescoreHelp, 0, kMaxEfSearch);
  arguments.Number(&args->threads, "--threads", "queries in flight", 1, kMaxThreads);
  return [args](Console& console) { return RunAnn(*args, console); };
}

}  // namespace

Command EvalAnnCommand() {
  return {
      "eval ann", "Measure the recall of approximate search against exact search, and its cost",
      R"(Recall four ways: share of the exact ids; hits no farther than the last exact neighbour; the same
with 1% slack; and the inverse of how much farther the hits are. Each as mean, 5th percentile and
minimum over the queries. Fewer than k neighbours count as many as exist. A
query without a neighbour, and a text that cannot be embedded, is left out; a warning says how many,
"n_used" and "n_total" beside the recall and "failed_queries" too.

With --remote both searches are the server's, and latencies those of this caller, the network in them.

--json: {"points":[{"ef_search":32,"recall":{"id","tie","epsilon","inverse_ratio","id_p5","id_min",..},
"qps":..,"latency_us":{"p50","p95","p99",..}}],..}. A recall that is not defined is null, and
"undefined" beside it maps its name to the reason.)",
      DeclareAnn};
}

}  // namespace leadline::cli
