#pragma once

#include <cstdint>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"

namespace leadline::index {

/// Trains `nlist` centroids [nlist x dim] by Lloyd's iterations on at most 256 rows a centroid,
/// chosen by `seed`: the first iterations see a part of them, the last ones all
/// (docs/decisions/0013-own-kmeans.md). Then the largest clusters are split in place of the
/// smallest (0027-balanced-lists.md). `spherical` keeps centroids at unit length. REQUIRES: finite
/// rows, of unit length where `spherical`; 1 <= nlist <= rows. Rows go to the nearest centroid in
/// bytes (CentroidTable), centroids are means in full precision. Computes on the threads of
/// `executor` (null: on the calling one). Equal on any number of them and at every SIMD level.
/// Looks at `control` every 1,024 rows of a mean and as CentroidTable says. No exception reaches a
/// pool thread. Errors: kCancelled, kDeadlineExceeded, kResourceExhausted (memory).
Result<std::vector<float>> TrainKMeans(MatrixView rows, size_t nlist, bool spherical, uint64_t seed,
                                       Executor* executor, const CallControl& control);

}  // namespace leadline::index
