#pragma once

#include "leadline/simd/distance.h"

namespace leadline::simd {

/// Tables of the levels, each defined in its own source file with its own compiler flags.
extern const DistanceKernels kScalarKernels;
#if defined(__x86_64__)
extern const DistanceKernels kAvx2Kernels;
extern const DistanceKernels kAvx512Kernels;
#elif defined(__aarch64__)
extern const DistanceKernels kNeonKernels;
#endif

}  // namespace leadline::simd
