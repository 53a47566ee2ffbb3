#pragma once

#include "leadline/eval/metrics.h"
#include "ranking.h"

namespace leadline::eval {

/// Floor of the geometric means (trec_eval's MIN_GEO_MEAN).
inline constexpr double kGeometricFloor = 1e-5;

/// What one query contributes to the summary: the measure's value; for geometric means the
/// logarithm of the floored value; 1 for kNumQueries.
double Contribution(const Measure& measure, const Ranking& ranking, TrecRules rules);

}  // namespace leadline::eval
