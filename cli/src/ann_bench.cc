#include "ann_bench.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "ann_points.h"
#include "ann_sweep.h"
#include "batch_source.h"
#include "batch_writer.h"
#include "database_opening.h"
#include "eval_input.h"
#include "exit_code.h"
#include "leadline/core/clock.h"
#include "leadline/core/file_system.h"
#include "leadline/core/rng.h"
#include "mapped_memory.h"
#include "progress_bar.h"
#include "scratch_directory.h"

namespace leadline::cli {
namespace {

constexpr const char* kCollection = "bench";
constexpr size_t kBatchRows = 1000;
constexpr size_t kWarmupQueries = 200;
constexpr size_t kMaxFilteredQueries = 1000;
/// Every row gets a uniform number below this; "u < n" then matches a known share.
constexpr uint64_t kUniformBound = 1'000'000;
constexpr uint64_t kSeed = 42;

double SecondsSince(int64_t started) {
  return static_cast<double>(Clock::System()->MonotonicNanos() - started) / 1e9;
}

Result<uint32_t> DimOf(const std::string& path) {
  LEADLINE_ASSIGN_OR_RETURN(
      const auto reader, eval::OpenRecords(FileSystem::Posix(), path, eval::FileFormat::kAuto, {}));
  eval::InputRecord record;
  LEADLINE_ASSIGN_OR_RETURN(const bool any, reader->Next(&record));
  if (!any || record.vector.empty()) {
    return InvalidFieldError("the base file has no vectors", "--base", path, "at least one");
  }
  return static_cast<uint32_t>(record.vector.size());
}

/// What the searches need, read and compared before anything is built.
struct BenchInput {
  uint32_t dim = 0;
  std::vector<eval::InputQuery> queries;
  std::optional<eval::NeighborTruth> truth;  ///< nullopt: exact search
};

Status CheckQueries(const BenchInput& input) {
  for (const eval::InputQuery& query : input.queries) {
    if (query.vector.size() != input.dim) {
      return InvalidFieldError(
          "the vectors to search for and the base differ in size: query=" + query.id +
              " row=" + std::to_string(query.row),
          "--queries", std::to_string(query.vector.size()) + " numbers", std::to_string(input.dim));
    }
  }
  return OkStatus();
}

Result<BenchInput> ReadInput(const AnnBenchOptions& options) {
  BenchInput input;
  LEADLINE_ASSIGN_OR_RETURN(input.queries, LoadSomeQueries(options.queries));
  const Result<uint32_t> dim = DimOf(options.base);
  if (!dim.ok()) {
    return AsInputError(dim.status());
  }
  input.dim = *dim;
  LEADLINE_RETURN_IF_ERROR(CheckQueries(input));
  if (options.truth != "exact") {
    auto file = eval::ReadTruth(FileSystem::Posix(), options.truth, eval::FileFormat::kAuto);
    if (!file.ok()) {
      return AsInputError(file.status());
    }
    LEADLINE_RETURN_IF_ERROR(eval::CheckTruth(*file, input.queries.size(), options.k));
    input.truth = *std::move(file);
  }
  return input;
}

/// Writes all rows of the base file.
Status IngestBase(const AnnBenchOptions& options, Collection& collection, const SignalStop& stop,
                  Console& console, AnnBenchResult* result) {
  LEADLINE_ASSIGN_OR_RETURN(const RecordPreparer preparer,
                            RecordPreparer::Create(collection.options(), nullptr, {}));
  BatchSourceOptions reading;
  reading.paths = {options.base};
  reading.batch_rows = kBatchRows;
  reading.threads = 2;
  BatchSource source(preparer, reading);
  BatchWriter writer(collection, /*skip_bad_rows=*/false);
  Rng rng(kSeed);
  ProgressBar bar(console, "ingest", 0, "rows");
  for (bool last = false; !last;) {
    PreparedBatch batch = source.Next();
    last = batch.last;
    for (PreparedRow& row : batch.rows) {
      for (Record& record : row.records) {
        record.payload = "{\"u\":" + std::to_string(rng.Uniform(kUniformBound)) + "}";
      }
    }
    Status written = writer.Write(batch.rows);
    if (!written.ok()) {
      batch.fatal.IgnoreError();
      return written;
    }
    LEADLINE_RETURN_IF_ERROR(std::move(batch.fatal));
    if (stop.requested()) {
      return CancelledError("stopped by a signal");
    }
    bar.Update(writer.acked(), batch.share);
  }
  result->rows = writer.acked();
  return OkStatus();
}

Status BuildDatabase(const AnnBenchOptions& options, const std::string& path,
                     const SignalStop& stop, Console& console, AnnBenchResult* result) {
  DatabaseOptions opening;
  opening.create_if_missing = true;
  opening.background_threads = options.build_threads;
  opening.background_maintenance = false;  // all building is inside the time of Optimize
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                            Database::Open(path, opening));
  CollectionOptions collection_options;
  collection_options.vectors = {options.field};
  collection_options.vectors[0].dim = result->dim;
  {
    LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection,
                              database->CreateCollection(kCollection, collection_options));
    const int64_t ingest_started = Clock::System()->MonotonicNanos();
    LEADLINE_RETURN_IF_ERROR(IngestBase(options, *collection, stop, console, result));
    result->ingest_s = SecondsSince(ingest_started);
    const int64_t build_started = Clock::System()->MonotonicNanos();
    ProgressBar bar(console, "build", 0, "");
    CallOptions call;
    call.cancel = stop.token();
    call.progress = [&bar](std::string_view stage, double share) { bar.UpdateStage(stage, share); };
    LEADLINE_RETURN_IF_ERROR(collection->Optimize(call));
    result->build_s = SecondsSince(build_started);
  }
  return database->Close();
}

Result<FilteredPoints> MeasureFiltered(const OpenedCollection& opened,
                                       std::span<const eval::InputQuery> queries,
                                       const std::vector<eval::AnnSetting>& sweep,
                                       double selectivity, eval::RunOptions running,
                                       Console& console) {
  FilteredPoints filtered;
  filtered.selectivity = selectivity;
  const auto bound = static_cast<uint64_t>(selectivity * static_cast<double>(kUniformBound));
  LEADLINE_ASSIGN_OR_RETURN(running.search.filter, Filter::Compare("u", CompareOp::kLess, bound));
  ReadOptions reading;
  reading.snapshot = running.search.snapshot;
  LEADLINE_ASSIGN_OR_RETURN(filtered.matches,
                            opened.collection->Count(running.search.filter, reading));
  const auto some = queries.first(std::min(queries.size(), kMaxFilteredQueries));
  LEADLINE_ASSIGN_OR_RETURN(const eval::AnnTruth truth,
                            FindExactTruth(opened, some, running, console));
  LEADLINE_ASSIGN_OR_RETURN(filtered.points,
                            MeasureSweep(opened, some, truth, sweep, running, console));
  return filtered;
}

Result<eval::AnnTruth> TruthOf(const AnnBenchOptions& options, const BenchInput& input,
                               const OpenedCollection& opened, const eval::RunOptions& running,
                               Console& console) {
  if (!input.truth) {
    return FindExactTruth(opened, input.queries, running, console);
  }
  return eval::FileTruth(*opened.collection, input.queries, *input.truth, options.k, 0, "");
}

/// What the sweep brought into memory: heap of tail and indexes, and touched pages of segments.
Status MeasureMemory(const std::string& path, Collection& collection, AnnBenchResult* result) {
  LEADLINE_ASSIGN_OR_RETURN(const CollectionStats stats, collection.Stats());
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t mapped, MappedBytesInMemory(path));
  result->resident_bytes = stats.resident_bytes + mapped;
  result->segments = stats.segments;
  return OkStatus();
}

Status MeasureDatabase(const AnnBenchOptions& options, const std::string& path,
                       const BenchInput& input, const SignalStop& stop, Console& console,
                       AnnBenchResult* result) {
  const std::vector<eval::InputQuery>& queries = input.queries;
  const int64_t open_started = Clock::System()->MonotonicNanos();
  LEADLINE_ASSIGN_OR_RETURN(const OpenedCollection opened,
                            OpenForReading(DatabaseArguments{path, kCollection}));
  result->open_ms = SecondsSince(open_started) * 1e3;
  eval::RunOptions running;
  running.search.limit = options.k;
  running.threads = options.threads;
  running.warmup = kWarmupQueries;
  running.cancel = stop.token();
  LEADLINE_ASSIGN_OR_RETURN(running.search.snapshot, opened.database->TakeSnapshot());
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<eval::AnnSetting> sweep,
                            FitSweep(options.sweep, opened, running.search));
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> exact_scan,
                            ExactScanWarning(opened, running.search));
  if (exact_scan) {
    console.Message("warning: " + *exact_scan);
  }
  LEADLINE_ASSIGN_OR_RETURN(const eval::AnnTruth truth,
                            TruthOf(options, input, opened, running, console));
  LEADLINE_ASSIGN_OR_RETURN(result->points,
                            MeasureSweep(opened, queries, truth, sweep, running, console));
  LEADLINE_RETURN_IF_ERROR(MeasureMemory(path, *opened.collection, result));
  if (options.batch > 0) {
    LEADLINE_ASSIGN_OR_RETURN(result->batches, MeasureBatches(opened, queries, sweep, options.batch,
                                                              running.search, console));
  }
  if (options.scaling > 0) {
    LEADLINE_ASSIGN_OR_RETURN(
        result->scaling,
        MeasureScaling(opened, queries, truth, result->points, options.scaling, running, console));
  }
  for (const double selectivity : options.selectivities) {
    LEADLINE_ASSIGN_OR_RETURN(
        FilteredPoints filtered,
        MeasureFiltered(opened, queries, sweep, selectivity, running, console));
    result->filtered.push_back(std::move(filtered));
  }
  return OkStatus();
}

}  // namespace

Result<AnnBenchResult> RunAnnBench(const AnnBenchOptions& options, const SignalStop& stop,
                                   Console& console) {
  AnnBenchResult result;
  LEADLINE_ASSIGN_OR_RETURN(const BenchInput input, ReadInput(options));
  result.dim = input.dim;
  result.queries = input.queries.size();
  LEADLINE_ASSIGN_OR_RETURN(const ScratchDirectory scratch,
                            ScratchDirectory::Create(options.directory));
  const std::string path = JoinPath(scratch.path(), "db");
  LEADLINE_RETURN_IF_ERROR(BuildDatabase(options, path, stop, console, &result));
  LEADLINE_ASSIGN_OR_RETURN(result.disk_bytes, DirectoryBytes(path));
  LEADLINE_RETURN_IF_ERROR(MeasureDatabase(options, path, input, stop, console, &result));
  return result;
}

}  // namespace leadline::cli
