#include "leadline/eval/ann_recall.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <vector>

namespace leadline::eval {
namespace {

Status CheckOptions(const AnnRecallOptions& options) {
  if (options.k == 0) {
    return InvalidFieldError("k out of range", "k", "0", "at least 1");
  }
  if (!(options.epsilon >= 0) || std::isinf(options.epsilon)) {
    return InvalidFieldError("epsilon out of range", "epsilon", std::to_string(options.epsilon),
                             "at least 0, finite");
  }
  return {};
}

Status CheckScores(std::span<const AnnHit> hits) {
  for (const AnnHit& hit : hits) {
    if (!std::isfinite(hit.score)) {
      return InvalidFieldError("score is not finite", "score", std::to_string(hit.score), "finite");
    }
  }
  return {};
}

/// Lower is nearer in every metric.
double Distance(Metric metric, double score) {
  switch (metric) {
    case Metric::kL2:
      return std::sqrt(std::max(score, 0.0));
    case Metric::kCosine:
      return std::sqrt(std::max(2 - 2 * score, 0.0));
    case Metric::kInnerProduct:
      return -score;
  }
  return score;
}

/// Distances of `hits`, nearest first.
std::vector<double> SortedDistances(std::span<const AnnHit> hits, Metric metric) {
  std::vector<double> distances;
  distances.reserve(hits.size());
  for (const AnnHit& hit : hits) {
    distances.push_back(Distance(metric, hit.score));
  }
  std::sort(distances.begin(), distances.end());
  return distances;
}

double InverseDistanceRatio(const std::vector<double>& exact, const std::vector<double>& found) {
  if (found.empty()) {
    return 0;
  }
  const auto positive = std::upper_bound(exact.begin(), exact.end(), 0.0);
  const double share = static_cast<double>(found.size()) / static_cast<double>(exact.size());
  if (positive == exact.end()) {
    const auto zeros = std::count(found.begin(), found.end(), 0.0);
    return static_cast<double>(zeros) / static_cast<double>(exact.size());
  }
  double sum = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    sum += std::max(1.0, found[i] / std::max(exact[i], *positive));
  }
  return share / (sum / static_cast<double>(found.size()));
}

/// For inner products; distances are negated scores.
double ScoreRatio(const std::vector<double>& exact, const std::vector<double>& found) {
  double sum = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const double best = -exact[i];
    const double score = -found[i];
    if (best > 0) {
      sum += std::clamp(score / best, 0.0, 1.0);
    } else {
      sum += score >= best ? 1 : 0;
    }
  }
  return sum / static_cast<double>(exact.size());
}

/// Hits that are among the exact ids or within `limit`, as a share of the exact ones.
double ShareWithin(std::span<const AnnHit> found, const std::unordered_set<std::string_view>& exact,
                   Metric metric, double limit) {
  size_t count = 0;
  for (const AnnHit& hit : found) {
    count += exact.contains(hit.id) || Distance(metric, hit.score) <= limit ? 1 : 0;
  }
  return static_cast<double>(std::min(count, exact.size())) / static_cast<double>(exact.size());
}

std::vector<AnnHit> FirstUnique(std::span<const AnnHit> hits, size_t k) {
  std::vector<AnnHit> unique;
  std::unordered_set<std::string_view> seen;
  for (const AnnHit& hit : hits.first(std::min(k, hits.size()))) {
    if (seen.insert(hit.id).second) {
      unique.push_back(hit);
    }
  }
  return unique;
}

MetricValue Undefined(UndefinedReason reason) {
  return {.value = 0, .reason = reason};
}

MetricValue Defined(double value) {
  return {.value = value, .reason = UndefinedReason::kDefined};
}

RecallSummary Summarise(std::span<const AnnRecall> queries, MetricValue AnnRecall::*measure) {
  RecallSummary summary;
  summary.n_total = queries.size();
  std::vector<double> values;
  for (const AnnRecall& query : queries) {
    if ((query.*measure).defined()) {
      values.push_back((query.*measure).value);
    }
  }
  summary.n_used = values.size();
  if (values.empty()) {
    summary.mean = summary.p5 = summary.min = Undefined(UndefinedReason::kNoQueries);
    return summary;
  }
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  std::sort(values.begin(), values.end());
  const size_t rank = (values.size() * 5 + 99) / 100;  // ceil(5% of n), from 1
  summary.mean = Defined(sum / static_cast<double>(values.size()));
  summary.p5 = Defined(values[rank - 1]);
  summary.min = Defined(values[0]);
  return summary;
}

}  // namespace

Result<AnnRecall> ComputeAnnRecall(std::span<const AnnHit> exact, std::span<const AnnHit> found,
                                   const AnnRecallOptions& options) {
  LEADLINE_RETURN_IF_ERROR(CheckOptions(options));
  exact = exact.first(std::min(exact.size(), options.k));
  const std::vector<AnnHit> hits = FirstUnique(found, options.k);
  std::unordered_set<std::string_view> exact_ids;
  for (const AnnHit& neighbor : exact) {
    if (!exact_ids.insert(neighbor.id).second) {
      return InvalidFieldError("exact neighbour given twice", "id", neighbor.id, "once");
    }
  }
  AnnRecall recall;
  if (exact.empty()) {
    recall.id = recall.tie = recall.epsilon = recall.inverse_ratio =
        Undefined(UndefinedReason::kNoNeighbors);
    return recall;
  }
  const auto same = std::count_if(hits.begin(), hits.end(),
                                  [&](const AnnHit& hit) { return exact_ids.contains(hit.id); });
  recall.id = Defined(static_cast<double>(same) / static_cast<double>(exact.size()));
  if (!options.exact_has_scores) {
    recall.tie = recall.epsilon = recall.inverse_ratio = Undefined(UndefinedReason::kNoScores);
    return recall;
  }
  LEADLINE_RETURN_IF_ERROR(CheckScores(exact));
  LEADLINE_RETURN_IF_ERROR(CheckScores(hits));
  const std::vector<double> exact_distances = SortedDistances(exact, options.metric);
  std::vector<double> distances = SortedDistances(hits, options.metric);
  distances.resize(std::min(distances.size(), exact_distances.size()));
  const double limit = exact_distances.back();
  recall.tie = Defined(ShareWithin(hits, exact_ids, options.metric, limit));
  recall.epsilon = Defined(
      ShareWithin(hits, exact_ids, options.metric, limit + options.epsilon * std::abs(limit)));
  recall.inverse_ratio = Defined(options.metric == Metric::kInnerProduct
                                     ? ScoreRatio(exact_distances, distances)
                                     : InverseDistanceRatio(exact_distances, distances));
  return recall;
}

AnnRecallSummary SummariseAnnRecall(std::span<const AnnRecall> queries) {
  return {.id = Summarise(queries, &AnnRecall::id),
          .tie = Summarise(queries, &AnnRecall::tie),
          .epsilon = Summarise(queries, &AnnRecall::epsilon),
          .inverse_ratio = Summarise(queries, &AnnRecall::inverse_ratio)};
}

}  // namespace leadline::eval
