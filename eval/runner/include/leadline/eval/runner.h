#pragma once

/// Runs a query set against one moment of a collection and keeps everything the answers depend on.
///
///   RunOptions options;
///   options.search.limit = 100;
///   Result<RunResult> run = RunQueries(*database, *collection, queries, options);
///   Result<ScoreReport> scores = Score(ToRankedRun(*run), qrels, measures, {});

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "leadline/core/database.h"
#include "leadline/core/options.h"
#include "leadline/core/search.h"
#include "leadline/eval/latency_figures.h"
#include "leadline/eval/metrics.h"
#include "leadline/eval/query_reader.h"

namespace leadline::eval {

/// Bounds the answers that one call holds.
inline constexpr size_t kMaxRunBatch = 4096;

struct RunOptions {
  /// Settings of every query; `snapshot` is replaced by the run's own, `filter` is combined with
  /// the query's by AND.
  SearchOptions search;
  /// Top-level payload key whose string names the document, for collections of chunks ("doc_id"):
  /// the best chunk stands for its document. Empty: record ids.
  std::string document_key;
  size_t threads = 1;  ///< calls in flight, [1, 64]; changes no result
  /// Queries a call (Collection::SearchBatch), [1, kMaxRunBatch]; changes no result. Above 1 no
  /// latency is measured.
  size_t batch = 1;
  size_t warmup = 32;  ///< queries searched before the clock starts; at most the query set once
  uint64_t seed = 42;  ///< of what follows the run: bootstrap intervals
  const CancelToken* cancel = nullptr;
  /// Told how many queries are done; called from any thread, one call at a time.
  std::function<void(size_t)> progress;
};

/// What the results depend on. Equal pins, equal results.
struct RunPins {
  std::string leadline_version;
  std::string
      simd;  ///< level of the distance kernels: scores differ in the last digits between them
  std::string collection;
  CollectionOptions options;
  std::string embedder_version;  ///< empty where no text was embedded
  SequenceNumber sequence = 0;
  uint64_t rows = 0;
  std::string index_build;  ///< hash over segments and tail as searched, 16 hex digits
  std::string mode = "dense";
  std::string vector_field;
  size_t k = 0;
  bool exact = false;
  size_t ef_search = 0;
  size_t nprobe = 0;
  size_t rescore = 0;
  std::optional<double> target_recall;
  std::string filter;  ///< canonical text, or empty
  std::string document_key;
  size_t queries = 0;
  uint64_t query_hash = 0;  ///< over ids, texts, vectors and filters in order
  uint64_t seed = 0;
};

struct RunHit {
  std::string id;      ///< of the record, or of its document where a document key is set
  float score = 0;     ///< the metric's own value
  std::string record;  ///< of the record
};

struct QueryOutcome {
  std::string id;
  std::vector<RunHit> hits;  ///< best first
  int64_t took_ns = 0;       ///< embedding and search, as a caller sees it; 0 in batches
  int64_t embed_ns = 0;      ///< of these, embedding; 0 for vector queries
  std::string error;         ///< why the query could not be searched, or empty
};

struct RunResult {
  RunPins pins;
  Metric metric = Metric::kCosine;
  std::vector<QueryOutcome> queries;  ///< in the order of the query set
  LatencyFigures latency;             ///< of took_ns; warm-up and failed queries left out; empty
                                      ///< in batches
  bool degraded = false;              ///< some segment was damaged and answered from the store
  double wall_seconds = 0;            ///< of the timed part
  size_t threads = 1;
  size_t batch = 1;
  size_t warmup = 0;
  /// Over pins, ids and score bits, 16 hex digits; latencies, threads and batch have no part in it.
  std::string hash;
};

/// Searches every query once.
///
/// Errors: kInvalidArgument (no queries, a vector of the wrong size, a filter that does not parse,
///         a hit whose document key is no string: names query and row; a document key that no
///         record has; text queries on a collection without an embedder), kCancelled. A
///         text without a known word is no error of the run: its outcome has no hits and says why.
/// Threads: reentrant; writers may go on meanwhile.
/// Latency: closed loop, `threads` calls in flight, clock read around each query. Queries that
/// follow each other under equal filters share a call of `batch`; where it fails, they are searched
/// one by one, so that an error names the first query that has one. Progress and cancellation come
/// between calls, and the answers of `threads` calls are held beside the results.
Result<RunResult> RunQueries(Database& database, Collection& collection,
                             std::span<const InputQuery> queries, const RunOptions& options);

/// Hash of judgments, 16 hex digits; the order of queries and documents has no part in it.
std::string HashQrels(const Qrels& qrels);

/// The results as a ranking whose higher scores are better (l2 distances negated); queries without
/// hits are left out, as a TREC run file would.
RankedRun ToRankedRun(const RunResult& result);

/// The pins by name, in a fixed order, as text: what the hash covers and reports show.
std::vector<std::pair<std::string, std::string>> PinList(const RunPins& pins);

}  // namespace leadline::eval
