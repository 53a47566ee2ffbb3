// Compiled with -mavx512f and friends; runs only where the CPU has them.
#include <immintrin.h>

#include "levels.h"

namespace {

constexpr size_t kWidth = 16;

__mmask16 MaskOf(size_t count) {
  return count >= kWidth ? static_cast<__mmask16>(0xFFFF)
                         : static_cast<__mmask16>((1U << count) - 1);
}

__mmask16 AtMost(const float* values, __mmask16 present, __m512 bound) {
  return _mm512_mask_cmp_ps_mask(present, _mm512_maskz_loadu_ps(present, values), bound,
                                 _CMP_LE_OQ);
}

size_t CountAtMost(const float* values, size_t n, float bound) {
  const __m512 bounds = _mm512_set1_ps(bound);
  size_t count = 0;
  for (size_t i = 0; i < n; i += kWidth) {
    count += static_cast<size_t>(__builtin_popcount(AtMost(values + i, MaskOf(n - i), bounds)));
  }
  return count;
}

size_t KeepAtMost(float* values, uint32_t* tags, size_t n, float bound) {
  const __m512 bounds = _mm512_set1_ps(bound);
  size_t kept = 0;
  for (size_t i = 0; i < n; i += kWidth) {
    const __mmask16 present = MaskOf(n - i);
    const __m512 value = _mm512_maskz_loadu_ps(present, values + i);
    const __m512i tag = _mm512_maskz_loadu_epi32(present, tags + i);
    const __mmask16 wanted = _mm512_mask_cmp_ps_mask(present, value, bounds, _CMP_LE_OQ);
    // Whole registers: what lies beyond the kept ones was read already, and packing straight into
    // memory is slow on some CPUs. The last, shorter one must not write beyond n.
    _mm512_mask_storeu_ps(values + kept, present, _mm512_maskz_compress_ps(wanted, value));
    _mm512_mask_storeu_epi32(tags + kept, present, _mm512_maskz_compress_epi32(wanted, tag));
    kept += static_cast<size_t>(__builtin_popcount(wanted));
  }
  return kept;
}

size_t ListAtMost(const float* values, size_t n, float bound, uint32_t first, uint32_t* positions) {
  const __m512 bounds = _mm512_set1_ps(bound);
  const __m512i step = _mm512_set1_epi32(static_cast<int>(kWidth));
  __m512i numbers =
      _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(first)),
                       _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  size_t listed = 0;
  for (size_t i = 0; i < n; i += kWidth) {
    const __mmask16 wanted = AtMost(values + i, MaskOf(n - i), bounds);
    _mm512_storeu_si512(positions + listed, _mm512_maskz_compress_epi32(wanted, numbers));
    listed += static_cast<size_t>(__builtin_popcount(wanted));
    numbers = _mm512_add_epi32(numbers, step);
  }
  return listed;
}

void MinMax(const float* values, size_t n, float* least, float* most) {
  __m512 low = _mm512_set1_ps(values[0]);
  __m512 high = low;
  for (size_t i = 0; i < n; i += kWidth) {
    const __mmask16 present = MaskOf(n - i);
    const __m512 value = _mm512_maskz_loadu_ps(present, values + i);
    low = _mm512_mask_min_ps(low, present, low, value);
    high = _mm512_mask_max_ps(high, present, high, value);
  }
  *least = _mm512_reduce_min_ps(low);
  *most = _mm512_reduce_max_ps(high);
}

}  // namespace

namespace leadline::simd {

constinit const SelectionKernels kAvx512Selection = {CountAtMost, KeepAtMost, ListAtMost, MinMax};

}  // namespace leadline::simd
