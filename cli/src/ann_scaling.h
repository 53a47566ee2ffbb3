#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "console.h"
#include "database_opening.h"
#include "leadline/eval/ann_runner.h"

namespace leadline::cli {

struct ScalingPoint {
  size_t threads = 1;
  double qps = 0;
  double speedup = 1;  ///< over one thread
};

/// How much faster several threads search.
struct Scaling {
  eval::AnnSetting setting;  ///< the first of the sweep with a recall of 0.95, or the last
  std::vector<ScalingPoint> points;
};

/// Searches all `queries`, one a call, with 1, 2, 4, .. `max_threads` calls in flight. `measured`
/// is what the sweep gave, at least one point. Errors: as eval::RunQueries.
Result<Scaling> MeasureScaling(const OpenedCollection& opened,
                               std::span<const eval::InputQuery> queries,
                               const eval::AnnTruth& truth,
                               const std::vector<eval::AnnPoint>& measured, size_t max_threads,
                               eval::RunOptions running, Console& console);

}  // namespace leadline::cli
