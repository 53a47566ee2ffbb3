#pragma once

#include <span>

#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/segment_index.h"
#include "leadline/simd/distance.h"

namespace leadline::index {

/// Finds the nearest centroid of each row, ties by lower number: distance and number in
/// nearest[row]. Equal on any number of threads; `executor` null uses the calling one only.
/// Looks at `control` every 1,024 distances. Allocates little: no exception reaches a pool thread.
/// Shapes: rows [n x dim], centroids [c x dim], c >= 1, nearest [n]. Cost: n * c distances, the
/// centroids read from the second-level cache.
/// Errors: kCancelled, kDeadlineExceeded.
Status AssignToCentroids(MatrixView rows, MatrixView centroids,
                         const simd::MetricDistance& distance, Executor* executor,
                         const CallControl& control, std::span<Neighbor> nearest);

}  // namespace leadline::index
