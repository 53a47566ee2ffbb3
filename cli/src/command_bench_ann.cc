#include <memory>

#include "ann_bench.h"
#include "ann_points.h"
#include "collection_json.h"
#include "command.h"
#include "index_arguments.h"
#include "json_lines.h"
#include "leadline/core/options.h"
#include "leadline/eval/ann_report.h"
#include "leadline/eval/sweep_fit.h"
#include "leadline/simd/level.h"
#include "signal_stop.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

/// More queries than anybody measures with; bounds the answers that one call holds.
constexpr uint64_t kMaxBatch = 100'000;

struct BenchArguments {
  std::string base;
  std::string queries;
  std::string truth;
  std::string metric;
  IndexArguments index;
  std::string directory = "/tmp";
  std::string selectivity;
  std::optional<std::string> sweep;
  uint64_t k = 10;
  uint64_t batch = 0;
  uint64_t threads = 1;
  uint64_t scaling = 0;
  uint64_t build_threads = 2;
};

Result<AnnBenchOptions> MakeOptions(const BenchArguments& args) {
  AnnBenchOptions options;
  options.base = args.base;
  options.queries = args.queries;
  options.truth = args.truth;
  LEADLINE_ASSIGN_OR_RETURN(options.field, MakeIndexField(args.index));
  LEADLINE_ASSIGN_OR_RETURN(options.field.metric, ParseMetric(args.metric));
  options.k = args.k;
  if (args.sweep) {
    LEADLINE_ASSIGN_OR_RETURN(options.sweep, ParseSweep(*args.sweep));
    LEADLINE_RETURN_IF_ERROR(eval::CheckSweep(options.sweep, options.field.index, "--sweep"));
  }
  for (const std::string& share : SplitList(args.selectivity, ',')) {
    LEADLINE_ASSIGN_OR_RETURN(const double value,
                              ParseReal("--filter-selectivity", share, 0.000001, 1));
    options.selectivities.push_back(value);
  }
  options.batch = args.batch;
  options.threads = args.threads;
  options.scaling = args.scaling;
  options.build_threads = static_cast<uint32_t>(args.build_threads);
  options.directory = args.directory;
  return options;
}

Json PointsJson(const std::vector<eval::AnnPoint>& points) {
  Json list = Json::array();
  for (const eval::AnnPoint& point : points) {
    list.push_back(Json::parse(eval::AnnPointJson(point)));
  }
  return list;
}

Json ScalingJson(const Scaling& scaling) {
  Json points = Json::array();
  for (const ScalingPoint& point : scaling.points) {
    points.push_back({{"threads", point.threads}, {"qps", point.qps}, {"speedup", point.speedup}});
  }
  return {{scaling.setting.name(), scaling.setting.value}, {"points", std::move(points)}};
}

Json ResultJson(const AnnBenchOptions& options, const AnnBenchResult& result) {
  VectorField field = options.field;
  field.dim = result.dim;
  Json object;
  object["points"] = PointsJson(result.points);
  if (options.batch > 0) {
    object["batch"] = {{"queries", options.batch}, {"points", Json::array()}};
    for (const BatchPoint& point : result.batches) {
      object["batch"]["points"].push_back(
          {{point.setting.name(), point.setting.value}, {"qps", point.qps}});
    }
  }
  if (!result.scaling.points.empty()) {
    object["scaling"] = ScalingJson(result.scaling);
  }
  object["filtered"] = Json::array();
  for (const FilteredPoints& filtered : result.filtered) {
    object["filtered"].push_back({{"selectivity", filtered.selectivity},
                                  {"matches", filtered.matches},
                                  {"points", PointsJson(filtered.points)}});
  }
  object["ingest_s"] = result.ingest_s;
  object["build_s"] = result.build_s;
  object["open_ms"] = result.open_ms;
  object["resident_bytes"] = result.resident_bytes;
  object["disk_bytes"] = result.disk_bytes;
  object["segments"] = result.segments;
  object["rows"] = result.rows;
  object["queries"] = result.queries;
  object["k"] = options.k;
  object["threads"] = options.threads;
  object["build_threads"] = options.build_threads;
  object["vector"] = VectorFieldJson(field);
  object["simd"] = simd::CurrentLevel().name;
  return object;
}

void PrintResult(const AnnBenchResult& result, Console& console) {
  PrintFields(console, {{"rows", std::to_string(result.rows)},
                        {"dim", std::to_string(result.dim)},
                        {"queries", std::to_string(result.queries)},
                        {"ingest", FormatFixed(result.ingest_s, 2) + " s"},
                        {"build", FormatFixed(result.build_s, 2) + " s"},
                        {"open", FormatFixed(result.open_ms, 1) + " ms"},
                        {"resident", FormatBytes(result.resident_bytes)},
                        {"disk", FormatBytes(result.disk_bytes)},
                        {"segments", std::to_string(result.segments)},
                        {"simd", std::string(simd::CurrentLevel().name)}});
  PrintAnnTable(result.points, console);
  for (const BatchPoint& point : result.batches) {
    console.Line("in batches, " + point.setting.name() + " " + std::to_string(point.setting.value) +
                 ": " + FormatFixed(point.qps, 0) + " qps");
  }
  for (const ScalingPoint& point : result.scaling.points) {
    console.Line("threads " + std::to_string(point.threads) + ", " + result.scaling.setting.name() +
                 " " + std::to_string(result.scaling.setting.value) + ": " +
                 FormatFixed(point.qps, 0) + " qps, " + FormatFixed(point.speedup, 2) +
                 " times one");
  }
  for (const FilteredPoints& filtered : result.filtered) {
    console.Line("filter that passes " + FormatFixed(100 * filtered.selectivity, 3) + "% (" +
                 std::to_string(filtered.matches) + " rows):");
    PrintAnnTable(filtered.points, console);
  }
}

Result<ExitCode> RunBench(const BenchArguments& args, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const AnnBenchOptions options, MakeOptions(args));
  const SignalStop stop;
  LEADLINE_ASSIGN_OR_RETURN(const AnnBenchResult result, RunAnnBench(options, stop, console));
  if (console.json()) {
    WriteJsonLine(console, ResultJson(options, result));
  } else {
    PrintResult(result, console);
  }
  return ExitCode::kDone;
}

CommandBody DeclareBench(Arguments& arguments) {
  auto args = std::make_shared<BenchArguments>();
  arguments.Text(&args->base, "--base", "FILE", "vectors to index, any vector format").Required();
  arguments.Text(&args->queries, "--queries", "FILE", "vectors to search for").Required();
  arguments
      .Text(&args->truth, "--truth", "FILE|exact",
            "exact neighbours as row numbers (ivecs, ibin, npy, hdf5), or exact search")
      .Required();
  arguments.Choice(&args->metric, "--metric", {"cosine", "l2", "ip"}, "how vectors are compared")
      .Required();
  DeclareIndex(arguments, &args->index);
  arguments.Number(&args->k, "-k", "neighbours a query", 1, kMaxTopK);
  arguments.Text(
      &args->sweep, "--sweep", "NAME=N,N,..",
      "ef_search values for hnsw, nprobe values for ivf; a few that fit the index unless "
      "given");
  arguments.Number(&args->batch, "--batch", "also measure with so many queries a call; 0: no", 0,
                   kMaxBatch);
  arguments.Number(&args->threads, "--threads", "queries in flight", 1, kMaxThreads);
  arguments.Number(&args->scaling, "--scaling",
                   "also measure with 1, 2, 4, .. so many queries in flight; 0: no", 0,
                   kMaxThreads);
  arguments.Number(&args->build_threads, "--build-threads", "threads that build the index", 1,
                   kMaxThreads);
  arguments.Text(
      &args->selectivity, "--filter-selectivity", "S,S,..",
      "also measure under filters that pass these shares of the rows, each from 0.000001 "
      "to 1");
  arguments.Text(&args->directory, "--dir", "DIR",
                 "where the scratch database is made; it is deleted afterwards");
  return [args](Console& console) { return RunBench(*args, console); };
}

}  // namespace

Command BenchAnnCommand() {
  return {
      "bench ann", "Build an index from a file and measure recall, speed, size and opening",
      R"(Goes through the public calls of the library: a scratch database is created, filled, optimized,
closed and opened again, then searched with every value of the sweep. --batch
searches all queries again, so many a call, one call after the other; the answers, and so recall, are
those of single calls. --scaling does so one a call with more and more calls in flight, at the first value
with a recall of 0.95 (or the last). Searches under --filter-selectivity use at most 1,000 queries, compared with
exact search under the same filter.

resident_bytes is what the unfiltered sweep brought into memory: the pages of segment files that were
touched and the heap of tail and indexes. The store's caches and the program itself are not in it.

--json: {"points":[..as in eval ann..],"filtered":[{"selectivity","matches","points"}],"ingest_s",
"build_s","open_ms","resident_bytes","disk_bytes","rows","simd",..}, under --batch
also "batch":{"queries","points":[{"ef_search","qps"},..]}, under --scaling
"scaling":{"ef_search","points":[{"threads","qps","speedup"},..]}.)",
      DeclareBench, "makes a database of its own"};
}

}  // namespace leadline::cli
