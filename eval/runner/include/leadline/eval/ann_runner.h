#pragma once

/// Recall of approximate search against exact search, and its cost, at one moment of a collection.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "leadline/core/database.h"
#include "leadline/eval/ann_recall.h"
#include "leadline/eval/judgments.h"
#include "leadline/eval/latency_figures.h"
#include "leadline/eval/runner.h"

namespace leadline::eval {

/// Exact neighbours of every query, nearest first.
struct AnnTruth {
  std::vector<std::vector<RunHit>> neighbours;
  bool has_scores = true;  ///< false: only the id recall is defined
  double seconds = 0;      ///< what finding them took
};

/// Finds the exact `options.search.limit` neighbours of every query by exact search in batches,
/// filters included. Errors: as RunQueries.
Result<AnnTruth> ExactTruth(Database& database, Collection& collection,
                            std::span<const InputQuery> queries, const RunOptions& options);

/// Tells whether a file has neighbours for so many queries, `k` of each: kInvalidArgument where
/// not.
Status CheckTruth(const NeighborTruth& file, size_t queries, size_t k);

/// Takes the first `k` neighbours of every query from a file; ids are row numbers, increased by
/// `id_offset`. Scores are computed from the stored vectors; where one is missing, or a query is
/// text, `has_scores` is false. Errors: kInvalidArgument where the file has another number of
/// queries, fewer than `k` neighbours, or a row that is no record of the collection.
Result<AnnTruth> FileTruth(Collection& collection, std::span<const InputQuery> queries,
                           const NeighborTruth& file, size_t k, uint64_t id_offset,
                           const std::string& vector_field);

/// One setting of one search parameter.
struct AnnSetting {
  enum class Parameter : uint8_t { kEfSearch = 1, kNprobe = 2 };

  Parameter parameter = Parameter::kEfSearch;
  size_t value = 64;

  /// "ef_search" or "nprobe".
  [[nodiscard]] std::string name() const;
};

/// A query that could not be searched.
struct FailedQuery {
  std::string id;
  std::string error;
};

struct AnnPoint {
  AnnSetting setting;
  /// Over the queries that could be searched and have an exact neighbour; the counts say how many.
  AnnRecallSummary recall;
  std::vector<FailedQuery> failed;  ///< in the order of the query set
  LatencyFigures latency;
  double qps = 0;  ///< searched queries a second, options.threads in flight
};

/// Searches every query with `setting`, one a call, and compares with `truth`. The snapshot in
/// `options.search` should be the one the truth was found at. A text without a known word has no
/// part in recall, also where a truth file names neighbours of it. Errors: as RunQueries.
Result<AnnPoint> MeasureAnn(Database& database, Collection& collection,
                            std::span<const InputQuery> queries, const AnnTruth& truth,
                            const AnnSetting& setting, const RunOptions& options);

}  // namespace leadline::eval
