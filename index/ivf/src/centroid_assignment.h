#pragma once

#include <span>

#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/segment_index.h"

namespace leadline::index {

/// Finds the nearest centroid of each row in squared Euclidean distance, in bytes, as CentroidTable
/// says: number and distance in nearest[row]. Equal on any number of threads and at every SIMD
/// level; `executor` null uses the calling one only. No exception reaches a pool thread.
/// REQUIRES: finite values. Shapes: rows [n x dim], centroids [c x dim], c >= 1, nearest [n].
/// Cost: n * c sums of bytes, the centroids read from the second-level cache.
/// Errors: kCancelled, kDeadlineExceeded, kResourceExhausted (memory).
Status AssignToCentroids(MatrixView rows, MatrixView centroids, Executor* executor,
                         const CallControl& control, std::span<Neighbor> nearest);

}  // namespace leadline::index
