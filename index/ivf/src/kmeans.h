#pragma once

#include <cstdint>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"

namespace leadline::index {

/// Trains `nlist` centroids [nlist x dim] with FAISS on at most 256 rows a centroid, chosen by
/// `seed`. `spherical` keeps them at unit length. REQUIRES: finite rows, 1 <= nlist <= rows.
/// Computes on the threads of `executor` (null: on the calling one), and on as many of OpenMP's
/// where FAISS averages rows; the caller's OpenMP setting is restored. Equal on any number of them.
/// Looks at `control` every 1,024 distances.
/// Errors: kCancelled, kDeadlineExceeded, kResourceExhausted (memory), kInternal (FAISS refused).
Result<std::vector<float>> TrainKMeans(MatrixView rows, size_t nlist, bool spherical, uint64_t seed,
                                       Executor* executor, const CallControl& control);

}  // namespace leadline::index
