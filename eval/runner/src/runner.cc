#include "leadline/eval/runner.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include <nlohmann/json.hpp>

#include "index_build.h"
#include "leadline/core/clock.h"
#include "leadline/core/executor.h"
#include "leadline/core/mutex.h"
#include "leadline/core/options.h"
#include "leadline/core/version.h"
#include "leadline/eval/query_checks.h"
#include "leadline/text/embedder.h"
#include "run_hash.h"

namespace leadline::eval {
namespace {

/// One query, ready to be searched.
struct PreparedQuery {
  const InputQuery* input = nullptr;
  SearchOptions search;
};

Status WithQuery(Status status, const InputQuery& query) {
  return status.WithContext("query " + query.id + " (row " + std::to_string(query.row) + ")");
}

Result<const VectorField*> FieldOf(const CollectionOptions& options, const std::string& name) {
  for (const VectorField& field : options.vectors) {
    if (name.empty() || field.name == name) {
      return &field;
    }
  }
  return InvalidFieldError("no such vector field", "vector_field", name, "one of the collection's");
}

/// The string at top-level `key`; kInvalidArgument where the record has none.
Result<std::string> DocumentOf(const Hit& hit, const std::string& key) {
  const auto payload = nlohmann::json::parse(hit.payload, nullptr, /*allow_exceptions=*/false);
  const auto found = payload.is_object() ? payload.find(key) : payload.end();
  if (found == payload.end() || !found->is_string()) {
    return InvalidFieldError("no document name in the payload: record=" + hit.id, "document_key",
                             key, "a top-level payload key with a string in every record");
  }
  return found->get<std::string>();
}

/// Searches queries on one snapshot. Thread-safe after Prepare.
class QueryRunner {
 public:
  QueryRunner(Collection& collection, const RunOptions& options)
      : collection_(collection), options_(options) {}

  /// Checks every query before the first is searched.
  Status Prepare(std::span<const InputQuery> queries,
                 const std::shared_ptr<const Snapshot>& snapshot);

  [[nodiscard]] size_t size() const { return prepared_.size(); }

  [[nodiscard]] const VectorField& field() const { return *field_; }

  [[nodiscard]] std::string embedder_version() const {
    return embedder_ == nullptr ? "" : std::string(embedder_->version());
  }

  /// Searches query `i`. Errors other than an unusable text end the run.
  Status RunOne(size_t i, QueryOutcome* outcome, bool* degraded) const;

  /// Queries [first, end) that one call can search: how far `batch` of them reach from `first`.
  [[nodiscard]] size_t EndOfBatch(size_t first, size_t batch) const;

  /// Searches queries [first, first + outcomes.size()), which have one filter, in one call. The
  /// same outcomes and errors as one by one, without their times.
  Status RunTogether(size_t first, std::span<QueryOutcome> outcomes, bool* degraded) const;

 private:
  Status OpenQueryEmbedder();
  /// The vector of query `i` behind those in `matrix`; a text that is unusable sets the error.
  void AddVector(size_t i, std::vector<float>* matrix, QueryOutcome* outcome) const;
  /// Keeps the hits of query `i`.
  Status Keep(size_t i, const SearchResponse& response, QueryOutcome* outcome) const;

  Collection& collection_;
  const RunOptions& options_;
  const VectorField* field_ = nullptr;
  std::shared_ptr<const Embedder> embedder_;
  std::vector<PreparedQuery> prepared_;
};

Status QueryRunner::OpenQueryEmbedder() {
  if (collection_.options().embedder.empty()) {
    return InvalidFieldError("text queries need a collection with an embedder", "collection",
                             collection_.name(), "an embedder, or queries with vectors");
  }
  LEADLINE_ASSIGN_OR_RETURN(embedder_, collection_.OpenEmbedder());
  return OkStatus();
}

Status QueryRunner::Prepare(std::span<const InputQuery> queries,
                            const std::shared_ptr<const Snapshot>& snapshot) {
  LEADLINE_ASSIGN_OR_RETURN(field_, FieldOf(collection_.options(), options_.search.vector_field));
  prepared_.reserve(queries.size());
  for (const InputQuery& query : queries) {
    if (!query.vector.empty()) {
      Status usable = CheckQueryVector(query.vector, *field_);
      if (!usable.ok()) {
        return WithQuery(std::move(usable), query);
      }
    }
    if (query.vector.empty() && embedder_ == nullptr) {
      LEADLINE_RETURN_IF_ERROR(OpenQueryEmbedder());
    }
    Result<std::optional<Filter>> filter = CombinedFilter(options_.search.filter, query.filter);
    if (!filter.ok()) {
      return WithQuery(filter.status(), query);
    }
    PreparedQuery& prepared = prepared_.emplace_back(PreparedQuery{&query, options_.search});
    prepared.search.filter = *std::move(filter);
    prepared.search.snapshot = snapshot;
    prepared.search.cancel = options_.cancel;
    if (!options_.document_key.empty()) {
      prepared.search.group_by = options_.document_key;
      prepared.search.with_payload = true;
      prepared.search.fields = {options_.document_key};
    }
  }
  return OkStatus();
}

Status QueryRunner::RunOne(size_t i, QueryOutcome* outcome, bool* degraded) const {
  const PreparedQuery& query = prepared_[i];
  Clock* const clock = Clock::System();
  const int64_t started = clock->MonotonicNanos();
  outcome->id = query.input->id;
  std::vector<float> embedded;
  VectorView vector = query.input->vector;
  if (vector.empty()) {
    embedded.resize(embedder_->dim());
    const std::string_view text = query.input->text;
    const Status status = embedder_->Embed({&text, 1}, embedded);
    if (!status.ok()) {
      outcome->error = status.message();
      return OkStatus();
    }
    vector = embedded;
    outcome->embed_ns = clock->MonotonicNanos() - started;
  }
  Result<SearchResponse> response = collection_.Search(vector, query.search);
  outcome->took_ns = clock->MonotonicNanos() - started;
  if (!response.ok()) {
    return WithQuery(response.status(), *query.input);
  }
  *degraded = response->degraded;
  return Keep(i, *response, outcome);
}

Status QueryRunner::Keep(size_t i, const SearchResponse& response, QueryOutcome* outcome) const {
  outcome->hits.reserve(response.hits.size());
  for (const Hit& hit : response.hits) {
    std::string id = hit.id;
    if (!options_.document_key.empty()) {
      Result<std::string> document = DocumentOf(hit, options_.document_key);
      if (!document.ok()) {
        return WithQuery(document.status(), *prepared_[i].input);
      }
      id = *std::move(document);
    }
    outcome->hits.push_back({std::move(id), hit.score, hit.id});
  }
  return OkStatus();
}

size_t QueryRunner::EndOfBatch(size_t first, size_t batch) const {
  const size_t most = std::min(prepared_.size(), first + batch);
  size_t end = first + 1;
  while (end < most && prepared_[end].input->filter == prepared_[first].input->filter) {
    ++end;
  }
  return end;
}

void QueryRunner::AddVector(size_t i, std::vector<float>* matrix, QueryOutcome* outcome) const {
  const InputQuery& query = *prepared_[i].input;
  if (!query.vector.empty()) {
    matrix->insert(matrix->end(), query.vector.begin(), query.vector.end());
    return;
  }
  const size_t before = matrix->size();
  matrix->resize(before + embedder_->dim());
  const std::string_view text = query.text;
  const Status status = embedder_->Embed({&text, 1}, std::span(*matrix).subspan(before));
  if (!status.ok()) {
    outcome->error = status.message();
    matrix->resize(before);
  }
}

Status QueryRunner::RunTogether(size_t first, std::span<QueryOutcome> outcomes,
                                bool* degraded) const {
  std::vector<float> matrix;
  std::vector<size_t> searched;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    outcomes[i].id = prepared_[first + i].input->id;
    AddVector(first + i, &matrix, &outcomes[i]);
    if (outcomes[i].error.empty()) {
      searched.push_back(i);
    }
  }
  SearchOptions search = prepared_[first].search;
  search.as_single = true;
  const Result<std::vector<SearchResponse>> responses =
      collection_.SearchBatch({matrix.data(), searched.size(), field_->dim}, search);
  if (!responses.ok()) {
    for (size_t i = 0; i < outcomes.size(); ++i) {
      outcomes[i] = {};
      LEADLINE_RETURN_IF_ERROR(RunOne(first + i, &outcomes[i], degraded));
      outcomes[i].took_ns = 0;
      outcomes[i].embed_ns = 0;
    }
    return OkStatus();
  }
  for (size_t r = 0; r < searched.size(); ++r) {
    const size_t i = searched[r];
    *degraded = *degraded || (*responses)[r].degraded;
    LEADLINE_RETURN_IF_ERROR(Keep(first + i, (*responses)[r], &outcomes[i]));
  }
  return OkStatus();
}

/// Runs all queries on the executor; the first error by query number is returned.
class ParallelRun {
 public:
  ParallelRun(const QueryRunner& runner, const RunOptions& options, RunResult* result)
      : runner_(runner), options_(options), result_(result) {}

  Status Run(Executor* executor) {
    std::vector<size_t> ends;
    // No batch so large that some of the threads have none.
    const size_t share = (runner_.size() + options_.threads - 1) / options_.threads;
    for (size_t first = 0; first < runner_.size(); first = ends.back()) {
      ends.push_back(runner_.EndOfBatch(first, std::min(options_.batch, share)));
    }
    ParallelFor(executor, ends.size(),
                [this, &ends](size_t call) { One(call == 0 ? 0 : ends[call - 1], ends[call]); });
    MutexLock lock(&mutex_);
    result_->degraded |= degraded_;
    return first_error_;
  }

 private:
  /// The call with queries [first, end).
  void One(size_t first, size_t end) {
    if (stopped_.load(std::memory_order_relaxed)) {
      return;
    }
    bool degraded = false;
    Status status =
        options_.batch == 1
            ? runner_.RunOne(first, &result_->queries[first], &degraded)
            : runner_.RunTogether(first, std::span(result_->queries).subspan(first, end - first),
                                  &degraded);
    MutexLock lock(&mutex_);
    degraded_ |= degraded;
    done_ += end - first;
    if (!status.ok() && first < first_failed_) {
      stopped_.store(true, std::memory_order_relaxed);
      first_failed_ = first;
      first_error_ = std::move(status);
    } else if (options_.progress) {
      options_.progress(done_);
    }
  }

  const QueryRunner& runner_;
  const RunOptions& options_;
  RunResult* const result_;
  std::atomic<bool> stopped_{false};
  Mutex mutex_;
  size_t done_ LEADLINE_GUARDED_BY(mutex_) = 0;
  size_t first_failed_ LEADLINE_GUARDED_BY(mutex_) = SIZE_MAX;
  bool degraded_ LEADLINE_GUARDED_BY(mutex_) = false;
  Status first_error_ LEADLINE_GUARDED_BY(mutex_);
};

RunPins MakePins(const Collection& collection, const QueryRunner& runner,
                 std::span<const InputQuery> queries, const RunOptions& options) {
  RunPins pins;
  pins.leadline_version = Version();
  pins.collection = collection.name();
  pins.options = collection.options();
  pins.embedder_version = runner.embedder_version();
  pins.vector_field = runner.field().name;
  pins.k = options.search.limit;
  pins.exact = options.search.exact;
  pins.ef_search = options.search.ef_search;
  pins.nprobe = options.search.nprobe;
  pins.rescore = options.search.rescore;
  pins.target_recall = options.search.target_recall;
  pins.filter = options.search.filter ? options.search.filter->ToString() : "";
  pins.document_key = options.document_key;
  pins.queries = queries.size();
  pins.query_hash = HashQueries(queries);
  pins.seed = options.seed;
  return pins;
}

Status CheckRun(std::span<const InputQuery> queries, const RunOptions& options) {
  if (queries.empty()) {
    return InvalidFieldError("no queries", "queries", "0", "at least 1");
  }
  if (options.threads < 1 || options.threads > kMaxThreads) {
    return InvalidFieldError("threads out of range", "threads", std::to_string(options.threads),
                             "[1, " + std::to_string(kMaxThreads) + "]");
  }
  if (options.batch < 1 || options.batch > kMaxRunBatch) {
    return InvalidFieldError("batch out of range", "batch", std::to_string(options.batch),
                             "[1, " + std::to_string(kMaxRunBatch) + "]");
  }
  return OkStatus();
}

/// Refuses a document key that no record has: every hit would be left out.
Status CheckDocumentKey(Collection& collection, const std::string& key,
                        const std::shared_ptr<const Snapshot>& snapshot) {
  ScrollOptions first;
  LEADLINE_ASSIGN_OR_RETURN(first.filter, Filter::Exists(key));
  first.limit = 1;
  first.read.snapshot = snapshot;
  first.read.with_vectors = false;
  first.read.with_payload = false;
  LEADLINE_ASSIGN_OR_RETURN(const ScrollPage page, collection.Scroll(first));
  return page.records.empty() ? InvalidFieldError("no record has the document key", "document_key",
                                                  key, "a top-level payload key")
                              : OkStatus();
}

/// Warms caches with the first queries; their outcomes are overwritten later.
Status WarmUp(const QueryRunner& runner, size_t queries, RunResult* result) {
  for (size_t i = 0; i < queries; ++i) {
    QueryOutcome discarded;
    LEADLINE_RETURN_IF_ERROR(runner.RunOne(i, &discarded, &result->degraded));
  }
  return OkStatus();
}

LatencyFigures FiguresOf(const std::vector<QueryOutcome>& queries) {
  LatencyHistogram histogram;
  for (const QueryOutcome& query : queries) {
    if (query.error.empty()) {
      histogram.Record(static_cast<uint64_t>(query.took_ns));
    }
  }
  return FiguresOf(histogram);
}

}  // namespace

Result<RunResult> RunQueries(Database& database, Collection& collection,
                             std::span<const InputQuery> queries, const RunOptions& options) {
  LEADLINE_RETURN_IF_ERROR(CheckRun(queries, options));
  std::shared_ptr<const Snapshot> snapshot = options.search.snapshot;
  if (snapshot == nullptr) {
    LEADLINE_ASSIGN_OR_RETURN(snapshot, database.TakeSnapshot());
  }
  QueryRunner runner(collection, options);
  LEADLINE_RETURN_IF_ERROR(runner.Prepare(queries, snapshot));

  RunResult result;
  result.pins = MakePins(collection, runner, queries, options);
  result.pins.sequence = snapshot->sequence();
  ReadOptions at_snapshot;
  at_snapshot.snapshot = snapshot;
  LEADLINE_ASSIGN_OR_RETURN(result.pins.rows, collection.Count(std::nullopt, at_snapshot));
  LEADLINE_ASSIGN_OR_RETURN(IndexBuild build,
                            IndexBuildAt(collection, runner.field(), snapshot, options.cancel));
  result.pins.index_build = std::move(build.hash);
  result.pins.simd = std::move(build.simd);
  if (!options.document_key.empty() && result.pins.rows > 0) {
    LEADLINE_RETURN_IF_ERROR(CheckDocumentKey(collection, options.document_key, snapshot));
  }
  result.metric = runner.field().metric;
  result.threads = options.threads;
  result.batch = options.batch;
  result.warmup = std::min(options.warmup, queries.size());
  result.queries.resize(queries.size());
  LEADLINE_RETURN_IF_ERROR(WarmUp(runner, result.warmup, &result));

  std::unique_ptr<Executor> pool;
  if (options.threads > 1) {
    pool = NewThreadPool(options.threads);
  }
  const int64_t started = Clock::System()->MonotonicNanos();
  LEADLINE_RETURN_IF_ERROR(
      ParallelRun(runner, options, &result).Run(pool == nullptr ? Executor::Inline() : pool.get()));
  result.wall_seconds = static_cast<double>(Clock::System()->MonotonicNanos() - started) / 1e9;
  if (options.batch == 1) {
    result.latency = FiguresOf(result.queries);
  }
  result.hash = HashRun(result);
  return result;
}

}  // namespace leadline::eval
