#pragma once

/// Recall of approximate search against exact search, four ways.
///
/// Per query: e = number of exact neighbours that exist, at most k. Every measure divides by e, so
/// a filter that lets 3 rows through does not cap recall@10 at .3. Returned hits beyond the first k
/// and ids that came twice are dropped. All values lie in [0, 1], higher is better.
///
///   id             share of the exact ids that came back.
///   tie            hits no farther than the e-th exact neighbour, or among the exact ids, / e:
///   rows
///                  at equal distance are interchangeable. At least `id`.
///   epsilon        the same with a relative slack: no farther than (1 + epsilon) times that
///                  distance (ann-benchmarks has an absolute one, which means nothing across
///                  metrics).
///   inverse_ratio  (m / e) / Ratio, Ratio = mean over the m hits, nearest first, of distance /
///                  distance of the exact neighbour of that rank, each at least 1. How much
///                  farther, not how many missed; tracks answer quality better than ids do (arXiv
///                  2606.04522).
///
/// Distances behind tie, epsilon and inverse_ratio: l2 is the root of the score; cosine is
/// sqrt(2 - 2 cos), the Euclidean distance of the normalised vectors. An exact distance of 0 is
/// taken as the smallest positive one of that query in inverse_ratio, so that a missed duplicate
/// costs a finite amount; where all are 0, inverse_ratio is the share of hits at distance 0.
/// Inner products are no distances: the slack is epsilon * |score of the e-th|, and inverse_ratio
/// is the mean of score / exact score by rank, cut to [0, 1], a missing hit counting 0; an exact
/// score
/// <= 0 counts 1 where the hit scores no lower, else 0.

#include <cstddef>
#include <span>
#include <string_view>

#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/eval/metrics.h"

namespace leadline::eval {

/// One neighbour. `score` is the metric's own value: squared l2 distance, cosine, inner product.
struct AnnHit {
  std::string_view id;  ///< not retained
  double score = 0;
};

struct AnnRecallOptions {
  size_t k = 10;
  Metric metric = Metric::kL2;
  double epsilon = 0.01;
  /// False where exact neighbours came from a file of ids: only `id` is then defined.
  bool exact_has_scores = true;
};

/// Undefined with kNoNeighbors where no exact neighbour exists, with kNoScores where the options
/// say so.
struct AnnRecall {
  MetricValue id;
  MetricValue tie;
  MetricValue epsilon;
  MetricValue inverse_ratio;
};

/// Compares one query's results. `exact` and `found` are nearest first.
/// Errors: kInvalidArgument for k = 0, a negative or non-finite epsilon, a non-finite score, an
///         exact id given twice.
/// Cost: O(k log k).
Result<AnnRecall> ComputeAnnRecall(std::span<const AnnHit> exact, std::span<const AnnHit> found,
                                   const AnnRecallOptions& options);

/// Mean hides queries that lost most of their neighbours; so it never stands alone.
struct RecallSummary {
  MetricValue mean;
  MetricValue p5;  ///< 5th percentile, nearest rank
  MetricValue min;
  size_t n_used = 0;
  size_t n_total = 0;
};

struct AnnRecallSummary {
  RecallSummary id;
  RecallSummary tie;
  RecallSummary epsilon;
  RecallSummary inverse_ratio;
};

AnnRecallSummary SummariseAnnRecall(std::span<const AnnRecall> queries);

}  // namespace leadline::eval
