#pragma once

#include <cstdint>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"

namespace leadline::index {

/// Trains `nlist` centroids [nlist x dim] with FAISS on at most 256 rows a centroid, chosen by
/// `seed`. `spherical` keeps them at unit length. REQUIRES: finite rows, 1 <= nlist <= rows.
/// Uses `threads` OpenMP threads and restores the caller's number.
/// Looks at `control` between iterations.
/// Errors: kCancelled, kDeadlineExceeded, kResourceExhausted (memory), kInternal (FAISS refused).
Result<std::vector<float>> TrainKMeans(MatrixView rows, size_t nlist, bool spherical, uint64_t seed,
                                       size_t threads, const CallControl& control);

}  // namespace leadline::index
