#include "leadline/index/search_tuning.h"

#include <algorithm>
#include <cmath>

namespace leadline::index {
namespace {

/// What arithmetic may add to a whole number or take from it.
constexpr double kRounding = 1e-6;

size_t RoundUp(double value) {
  return static_cast<size_t>(std::ceil(value - kRounding * std::max(value, 1.0)));
}

size_t Scaled(double value, double factor) {
  return RoundUp(std::min(value * factor, static_cast<double>(kMaxEfSearch)));
}

double Between(double low, double high, double share) {
  return low + (high - low) * share;
}

/// What `value` of a point reaches `wanted` first.
template <class Value>
TunedSearch Reach(const SearchCurve& curve, double wanted, Value value) {
  const auto& points = curve.points;
  const auto found = std::find_if(points.begin(), points.end(), [&](const CurvePoint& point) {
    return value(point) >= wanted - kRounding;
  });
  TunedSearch tuned;
  const CurvePoint& at = found == points.end() ? points.back() : *found;
  tuned.effort = at.effort;
  tuned.candidates = at.candidates;
  tuned.rescore = at.rescore;
  tuned.promised = at.promised;
  tuned.target_missed = found == points.end();
  if (found == points.begin() || found == points.end()) {
    return tuned;
  }
  // Recall bends downwards between points, so a straight line promises too little, not too much.
  const CurvePoint& before = *(found - 1);
  const double share = std::min((wanted - value(before)) / (value(at) - value(before)), 1.0);
  tuned.effort = RoundUp(Between(before.effort, at.effort, share));
  if (before.effort == at.effort) {
    tuned.candidates = RoundUp(Between(before.candidates, at.candidates, share));
  }
  tuned.promised = Between(before.promised, at.promised, share);
  return tuned;
}

/// The last point that takes no more effort, or the first.
const CurvePoint& PointBelow(const SearchCurve& curve, size_t effort) {
  const auto above =
      std::find_if(curve.points.begin(), curve.points.end(),
                   [effort](const CurvePoint& point) { return point.effort > effort; });
  return above == curve.points.begin() ? *above : *(above - 1);
}

}  // namespace

TunedSearch TuneSearch(const SearchCurve& curve, const SearchWish& wish) {
  TunedSearch tuned;
  if (curve.points.empty()) {
    tuned.effort = wish.effort;
    tuned.rescore = wish.rescore;
    tuned.target_missed = wish.target_recall.has_value();
    return tuned;
  }
  const double tens =
      std::max(static_cast<double>(wish.k) / static_cast<double>(kHeldOutNeighbors), 1.0);
  const double effort_factor =
      curve.kind == IndexKind::kIvf ? std::sqrt(std::sqrt(tens)) : std::sqrt(tens);
  if (wish.effort != 0) {
    const auto alone = static_cast<size_t>(static_cast<double>(wish.effort) / effort_factor);
    const CurvePoint& point = PointBelow(curve, alone);
    tuned.candidates = point.candidates;
    tuned.rescore = point.rescore;
    if (point.effort <= alone) {
      tuned.promised = point.promised;
    }
    tuned.target_missed = wish.target_recall.value_or(0) > tuned.promised.value_or(0);
  } else if (wish.target_recall.has_value()) {
    tuned = Reach(curve, *wish.target_recall,
                  [](const CurvePoint& point) { return double{point.promised}; });
  } else {
    tuned = Reach(curve, kDefaultRowRecall,
                  [](const CurvePoint& point) { return double{point.recall}; });
    // Where measuring ended early, the default that the lists know is the better one.
    if (tuned.target_missed && curve.kind == IndexKind::kIvf) {
      tuned.effort = 0;
      tuned.promised.reset();
    }
    tuned.target_missed = false;
  }
  tuned.effort =
      wish.effort != 0 ? wish.effort : Scaled(static_cast<double>(tuned.effort), effort_factor);
  tuned.candidates = Scaled(static_cast<double>(tuned.candidates), tens);
  tuned.rescore =
      wish.rescore != 0 ? wish.rescore : Scaled(static_cast<double>(tuned.rescore), tens);
  return tuned;
}

}  // namespace leadline::index
