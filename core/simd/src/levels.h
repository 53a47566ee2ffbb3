#pragma once

#include "leadline/simd/code_kernels.h"
#include "leadline/simd/distance.h"

namespace leadline::simd {

/// Tables of the levels, each defined in its own source file with its own compiler flags.
extern const DistanceKernels kScalarDistance;
extern const CodeKernels kScalarCodes;
#if defined(__x86_64__)
extern const DistanceKernels kAvx2Distance;
extern const DistanceKernels kAvx512Distance;
#elif defined(__aarch64__)
extern const DistanceKernels kNeonDistance;
#endif

}  // namespace leadline::simd
