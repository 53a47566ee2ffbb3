#pragma once

/// Requests and answers of nearest-neighbour search.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "leadline/core/filter.h"
#include "leadline/core/types.h"

namespace leadline {

class Snapshot;

/// Options that apply to one call only.
struct SearchOptions {
  size_t limit = 10;         ///< k, [1, kMaxTopK]
  std::string vector_field;  ///< empty means the collection's first field
  std::optional<Filter> filter;
  bool exact = false;  ///< compares with every matching row
  /// Share of the true neighbours that an index should find on average, [kMinTargetRecall,
  /// kMaxTargetRecall]: each segment looks as hard as it takes, by what it measured of itself when
  /// it was built. That holds for queries like the rows, up to 10 neighbours and without a filter;
  /// beyond that effort grows by rule, and nothing is promised (docs/indexes.md). `explain` says
  /// where a segment cannot promise it. `ef_search`, `nprobe` and `rescore` win where given.
  std::optional<double> target_recall;
  /// hnsw: [0, kMaxEfSearch], raised to `limit`; 0 takes the segment's default.
  size_t ef_search = 0;
  size_t nprobe = 0;  ///< ivf: [0, kMaxNprobe], a mean over queries; 0: the segment's default
  /// Rows that the codes of an index find nearest are compared once more in full precision, and the
  /// hits are the best of these: so many of them for each segment, [0, kMaxEfSearch], raised to
  /// `limit`. 0 picks a default for the codes. No effect where an index has f32 codes.
  size_t rescore = 0;
  /// A segment with at most this many visible, matching rows is scanned instead of searched through
  /// its index; 0 always uses the index, even where that looks slower. Absent: 2,048, `limit` or 2%
  /// of the segment, whichever is most.
  std::optional<uint64_t> full_scan_threshold;
  /// At most one hit (the best) per value of this payload path; rows without it are left out.
  std::string group_by;
  /// Worst acceptable score: hits below it (above it for l2) are left out.
  std::optional<float> min_score;
  bool with_payload = false;
  std::vector<std::string> fields;  ///< payload paths to return; empty means all of it
  bool with_vectors = false;
  bool explain = false;
  /// SearchBatch: every answer is that of Search for the same query, also where sharing the way
  /// through an index would be quicker. Search is like that anyway.
  bool as_single = false;
  int64_t timeout_ms = 0;  ///< >= 0; 0 means none; kDeadlineExceeded without partial results
  const CancelToken* cancel = nullptr;
  std::shared_ptr<const Snapshot> snapshot;  ///< null reads the newest state
};

struct Hit {
  std::string id;
  float score = 0;            ///< the metric's own value: cosine, inner product or squared l2
  std::string payload;        ///< JSON, under with_payload
  std::vector<float> vector;  ///< as stored, under with_vectors
};

/// What one source of rows did for a query; under group_by in all of its rounds.
struct PlanStep {
  std::string source;  ///< "tail" or "segment N"
  /// What ran: "scan" (also where an index chose to scan), "scan matches", "hnsw", "ivf", "lists"
  /// (of the tail: compared with the rows of a segment, in whose step they count), "store scan",
  /// "skipped".
  std::string strategy;
  /// What rows were compared by first: CodeTypeName of the index's codes, "f32" for scans, empty
  /// where nothing was compared.
  std::string codes;
  uint64_t rows = 0;
  uint64_t matches = 0;     ///< rows visible and passing the filter
  uint64_t distances = 0;   ///< comparisons, by codes or in full precision
  uint64_t rescored = 0;    ///< of these in full precision after codes
  uint64_t candidates = 0;  ///< neighbours this source offered
  uint64_t ef_search = 0;   ///< of hnsw, as chosen; else 0
  uint64_t nprobe = 0;      ///< of ivf, as chosen; else 0, or where the index chose itself
  /// Recall that the index promises with these, where it measured itself.
  std::optional<double> promised_recall;
  bool target_missed = false;  ///< the index cannot promise target_recall, and did what it can
  bool fallback = false;  ///< the index offered too few, or gave up, and an exact scan followed
};

struct Plan {
  SequenceNumber sequence = 0;
  std::string simd;
  uint64_t distances = 0;
  std::vector<PlanStep> steps;
};

struct SearchResponse {
  std::vector<Hit> hits;  ///< best first, ties by insertion order
  Metric metric = Metric::kCosine;
  bool higher_is_better = true;
  int64_t took_us = 0;
  bool degraded = false;  ///< a damaged segment was answered exactly from the store
  std::optional<Plan> plan;
};

}  // namespace leadline
