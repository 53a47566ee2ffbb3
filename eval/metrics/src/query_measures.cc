#include "query_measures.h"

#include <algorithm>
#include <cmath>

namespace leadline::eval {
namespace {

// Sums run in trec_eval's order throughout: equality to the last digits depends on it.

double Ratio(size_t part, size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

double PrecisionAt(const Ranking& r, size_t rank) {
  return Ratio(r.RelevantIn(rank), rank);
}

double AveragePrecision(const Ranking& r, size_t cutoff) {
  if (r.num_relevant == 0) {
    return 0;
  }
  const size_t n = r.RelevantIn(cutoff);
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    sum += Ratio(i + 1, r.relevant[i].rank);
  }
  return sum / static_cast<double>(r.num_relevant);
}

double ReciprocalRank(const Ranking& r, size_t cutoff) {
  return r.RelevantIn(cutoff) == 0 ? 0 : 1.0 / static_cast<double>(r.relevant[0].rank);
}

double Bpref(const Ranking& r) {
  double sum = 0;
  for (const RelevantAtRank& doc : r.relevant) {
    // A non-relevant document above implies num_nonrelevant > 0, so nothing divides by 0.
    sum += doc.nonrelevant_above == 0 ? 1.0
                                      : 1.0 - Ratio(std::min(doc.nonrelevant_above, r.num_relevant),
                                                    std::min(r.num_nonrelevant, r.num_relevant));
  }
  return r.num_relevant == 0 ? 0 : sum / static_cast<double>(r.num_relevant);
}

double InferredAp(const Ranking& r) {
  constexpr double kEpsilon = 1e-5;
  double sum = 0;
  for (size_t i = 0; i < r.relevant.size(); ++i) {
    const RelevantAtRank& doc = r.relevant[i];
    if (doc.rank == 1) {
      sum += 1;
      continue;
    }
    const auto above = static_cast<double>(doc.rank - 1);
    const auto relevant = static_cast<double>(i);
    const auto nonrelevant = static_cast<double>(doc.nonrelevant_above);
    const auto unjudged = static_cast<double>(doc.pool_unjudged_above);
    sum +=
        1.0 / (above + 1) + (above / (above + 1)) * ((relevant + nonrelevant + unjudged) / above) *
                                ((relevant + kEpsilon) / (relevant + nonrelevant + 2 * kEpsilon));
  }
  return r.num_relevant == 0 ? 0 : sum / static_cast<double>(r.num_relevant);
}

double Discount(size_t index) {
  return std::log2(static_cast<double>(index + 2));
}

double Ndcg(const Ranking& r, size_t cutoff) {
  const size_t limit = cutoff == 0 ? SIZE_MAX : cutoff;
  double ideal = 0;
  for (size_t i = 0; i < std::min(limit, r.ideal.size()); ++i) {
    ideal += r.ideal[i] / Discount(i);
  }
  if (ideal == 0) {
    return 0;
  }
  double sum = 0;
  for (size_t i = 0; i < std::min(limit, r.returned()); ++i) {
    if (r.relevance[i] > 0) {
      sum += r.relevance[i] / Discount(i);
    }
  }
  return sum / ideal;
}

/// Highest precision at any rank at which `found` relevant documents have been seen, or more.
double BestPrecisionFrom(const Ranking& r, size_t found) {
  if (found > r.relevant.size()) {
    return 0;
  }
  double best = 0;
  for (size_t i = std::max<size_t>(found, 1); i <= r.relevant.size(); ++i) {
    best = std::max(best, Ratio(i, r.relevant[i - 1].rank));
  }
  return best;
}

/// Rank at `multiple` times R.
size_t MultipleOfR(const Ranking& r, double multiple) {
  return static_cast<size_t>(multiple * static_cast<double>(r.num_relevant) + 0.9);
}

/// Best precision at recall `level`. trec_eval 10 rounds level * R to the nearest count; 9 added
/// 0.9 and cut.
double InterpolatedPrecision(const Ranking& r, double level, TrecRules rules) {
  const double exact = level * static_cast<double>(r.num_relevant);
  const auto found = rules == TrecRules::kTrec9 ? static_cast<size_t>(exact + 0.9)
                                                : static_cast<size_t>(std::lround(exact));
  return BestPrecisionFrom(r, found);
}

double ElevenPointAverage(const Ranking& r, TrecRules rules) {
  constexpr double kLevels[] = {1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0};
  double sum = 0;
  for (const double level : kLevels) {
    sum += InterpolatedPrecision(r, level, rules);
  }
  return sum / static_cast<double>(std::size(kLevels));
}

double RankBiasedPrecision(const Ranking& r, double p) {
  // Gains above 1 are scaled by the highest grade judged for the query.
  const double scale = r.ideal.empty() ? 1 : r.ideal[0];
  double sum = 0;
  double weight = 1;
  for (const int32_t relevance : r.relevance) {
    if (relevance > 0) {
      sum += relevance / scale * weight;
    }
    weight *= p;
  }
  return (1 - p) * sum;
}

double RankBiasedResidual(const Ranking& r, double p) {
  if (r.num_unjudged == 0) {
    return 0;
  }
  double sum = 0;
  double weight = 1;
  for (const int32_t relevance : r.relevance) {
    if (relevance < 0) {
      sum += weight;
    }
    weight *= p;
  }
  return weight + (1 - p) * sum;
}

double UnjudgedAt(const Ranking& r, size_t cutoff) {
  const auto end =
      r.relevance.begin() + static_cast<std::ptrdiff_t>(std::min(cutoff, r.relevance.size()));
  const auto n = std::count_if(r.relevance.begin(), end, [](int32_t rel) { return rel < 0; });
  return Ratio(static_cast<size_t>(n), cutoff);
}

double SetF(const Ranking& r) {
  const double precision = Ratio(r.relevant.size(), r.returned());
  const double recall = Ratio(r.relevant.size(), r.num_relevant);
  return precision + recall == 0 ? 0 : 2 * precision * recall / (recall + precision);
}

double SetMap(const Ranking& r) {
  if (r.returned() == 0 || r.num_relevant == 0) {
    return 0;
  }
  const auto found = static_cast<double>(r.relevant.size());
  return (found * found) /
         (static_cast<double>(r.returned()) * static_cast<double>(r.num_relevant));
}

double LogFloored(double value) {
  return std::log(std::max(value, kGeometricFloor));
}

/// Measures that look at what was returned and not at its order.
double OfSet(MeasureKind kind, const Ranking& r) {
  switch (kind) {
    case MeasureKind::kNumQueries:
      return 1;
    case MeasureKind::kNumRetrieved:
      return static_cast<double>(r.returned());
    case MeasureKind::kNumRelevant:
      return static_cast<double>(r.num_relevant);
    case MeasureKind::kNumRelevantRetrieved:
      return static_cast<double>(r.relevant.size());
    case MeasureKind::kNumNonrelJudgedRet:
      return static_cast<double>(r.returned() - r.num_unjudged - r.relevant.size());
    case MeasureKind::kSetPrecision:
      return Ratio(r.relevant.size(), r.returned());
    case MeasureKind::kSetRelativePrecision:
      return Ratio(r.relevant.size(), std::min(r.returned(), r.num_relevant));
    case MeasureKind::kSetRecall:
      return Ratio(r.relevant.size(), r.num_relevant);
    case MeasureKind::kSetMap:
      return SetMap(r);
    case MeasureKind::kSetF:
      return SetF(r);
    default:
      return 0;
  }
}

}  // namespace

double Contribution(const Measure& measure, const Ranking& r, TrecRules rules) {
  const size_t k = measure.cutoff;
  switch (measure.kind) {
    case MeasureKind::kNumQueries:
    case MeasureKind::kNumRetrieved:
    case MeasureKind::kNumRelevant:
    case MeasureKind::kNumRelevantRetrieved:
    case MeasureKind::kNumNonrelJudgedRet:
    case MeasureKind::kSetPrecision:
    case MeasureKind::kSetRelativePrecision:
    case MeasureKind::kSetRecall:
    case MeasureKind::kSetMap:
    case MeasureKind::kSetF:
      return OfSet(measure.kind, r);
    case MeasureKind::kAveragePrecision:
      return AveragePrecision(r, k);
    case MeasureKind::kGeometricMap:
      return LogFloored(AveragePrecision(r, 0));
    case MeasureKind::kGeometricBpref:
      return LogFloored(Bpref(r));
    case MeasureKind::kRPrecision:
      return PrecisionAt(r, r.num_relevant);
    case MeasureKind::kRPrecisionMultiple:
      return PrecisionAt(r, MultipleOfR(r, measure.parameter));
    case MeasureKind::kBpref:
      return Bpref(r);
    case MeasureKind::kReciprocalRank:
      return ReciprocalRank(r, k);
    case MeasureKind::kInterpolatedPrecision:
      return InterpolatedPrecision(r, measure.parameter, rules);
    case MeasureKind::kElevenPointAverage:
      return ElevenPointAverage(r, rules);
    case MeasureKind::kPrecision:
      return PrecisionAt(r, k);
    case MeasureKind::kRelativePrecision:
      return Ratio(r.RelevantIn(k), std::min(k, r.num_relevant));
    case MeasureKind::kRecall:
      return Ratio(r.RelevantIn(k), r.num_relevant);
    case MeasureKind::kNdcg:
      return Ndcg(r, k);
    case MeasureKind::kSuccess:
      return r.RelevantIn(k) > 0 ? 1 : 0;
    case MeasureKind::kInferredAp:
      return InferredAp(r);
    case MeasureKind::kRankBiasedPrecision:
      return RankBiasedPrecision(r, measure.parameter);
    case MeasureKind::kRankBiasedResidual:
      return RankBiasedResidual(r, measure.parameter);
    case MeasureKind::kUnjudged:
      return UnjudgedAt(r, k);
    case MeasureKind::kJudged:
      return 1 - UnjudgedAt(r, k);
  }
  return 0;
}

}  // namespace leadline::eval
