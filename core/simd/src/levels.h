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
extern const CodeKernels kAvx512VnniCodes;

/// Kernels of "avx512" that faster levels share.
namespace avx512 {

size_t SelectNear(const int32_t* sums, const float* add, const float* scale, size_t count,
                  SumToDistance map, float threshold, const uint64_t* allowed, uint32_t first,
                  float* distances, uint32_t* positions);
void Bf16Gather(const float* query, const uint16_t* rows, size_t stride, const uint32_t* ids,
                size_t count, size_t n, float* out);

}  // namespace avx512
#elif defined(__aarch64__)
extern const DistanceKernels kNeonDistance;
#endif

}  // namespace leadline::simd
