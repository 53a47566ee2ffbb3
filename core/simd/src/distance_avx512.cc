// Compiled with -mavx512f and friends; runs only where the CPU has them.
#include <immintrin.h>

#include "kernel_loops.h"
#include "levels.h"

namespace {

/// Two sums a row: with four rows that is enough to hide the latency, and short vectors pay less
/// for adding the sums up.
struct Avx512 {
  using Vec = __m512;
  static constexpr size_t kWidth = 16;
  static constexpr size_t kAccumulators = 2;
  static constexpr size_t kRowsTogether = 4;

  static Vec Zero() { return _mm512_setzero_ps(); }

  static Vec Load(const float* p) { return _mm512_loadu_ps(p); }

  static Vec LoadTail(const float* p, size_t count) {
    const auto mask = static_cast<__mmask16>((1U << count) - 1);
    return _mm512_maskz_loadu_ps(mask, p);
  }

  static Vec AddL2(Vec acc, Vec a, Vec b) {
    const __m512 difference = _mm512_sub_ps(a, b);
    return _mm512_fmadd_ps(difference, difference, acc);
  }

  static Vec AddDot(Vec acc, Vec a, Vec b) { return _mm512_fmadd_ps(a, b, acc); }

  static Vec Add(Vec a, Vec b) { return _mm512_add_ps(a, b); }

  static float Reduce(Vec v) {
    __m128 sum = FoldToFour(v);
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
    return _mm_cvtss_f32(sum);
  }

  /// Reduce of four registers at once: the same additions in the same order, transposed.
  static void ReduceFour(const Vec* v, float* out) {
    __m128 a = FoldToFour(v[0]);
    __m128 b = FoldToFour(v[1]);
    __m128 c = FoldToFour(v[2]);
    __m128 d = FoldToFour(v[3]);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(out, _mm_add_ps(_mm_add_ps(a, c), _mm_add_ps(b, d)));
  }

 private:
  // The zero-masking extracts are the plain ones without g++ 12's false warning (GCC PR 105593)
  // about their undefined pass-through operand.
  static __m128 FoldToFour(Vec v) {
    const __m256 half = _mm256_add_ps(_mm512_maskz_extractf32x8_ps(0xFF, v, 0),
                                      _mm512_maskz_extractf32x8_ps(0xFF, v, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  }
};

}  // namespace

namespace leadline::simd {

constinit const DistanceKernels kAvx512Distance = {
    PairDistance<Avx512, true>,  PairDistance<Avx512, false>,  RowsDistance<Avx512, true>,
    RowsDistance<Avx512, false>, GatherDistance<Avx512, true>, GatherDistance<Avx512, false>};

}  // namespace leadline::simd
