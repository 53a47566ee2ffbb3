// Compiled with -mavx2 -mfma; runs only where the CPU has both.
#include <immintrin.h>

#include "kernel_loops.h"
#include "levels.h"

namespace {

alignas(32) constexpr int32_t kTailMasks[16] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                0,  0,  0,  0,  0,  0,  0,  0};

/// Sixteen registers: four rows with two sums each leave room for the operands.
struct Avx2 {
  using Vec = __m256;
  static constexpr size_t kWidth = 8;
  static constexpr size_t kAccumulators = 2;
  static constexpr size_t kRowsTogether = 4;

  static Vec Zero() { return _mm256_setzero_ps(); }

  static Vec Load(const float* p) { return _mm256_loadu_ps(p); }

  static Vec LoadTail(const float* p, size_t count) {
    const auto* mask = reinterpret_cast<const __m256i*>(kTailMasks + kWidth - count);
    return _mm256_maskload_ps(p, _mm256_loadu_si256(mask));
  }

  static Vec AddL2(Vec acc, Vec a, Vec b) {
    const __m256 difference = _mm256_sub_ps(a, b);
    return _mm256_fmadd_ps(difference, difference, acc);
  }

  static Vec AddDot(Vec acc, Vec a, Vec b) { return _mm256_fmadd_ps(a, b, acc); }

  static Vec Add(Vec a, Vec b) { return _mm256_add_ps(a, b); }

  static float Reduce(Vec v) {
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
    return _mm_cvtss_f32(sum);
  }
};

}  // namespace

namespace leadline::simd {

constinit const DistanceKernels kAvx2Distance = {
    PairDistance<Avx2, true>,  PairDistance<Avx2, false>,  RowsDistance<Avx2, true>,
    RowsDistance<Avx2, false>, GatherDistance<Avx2, true>, GatherDistance<Avx2, false>};

}  // namespace leadline::simd
