#pragma once

// Sums of the lanes of eight registers at once. Internal linkage, as kernel_loops.h explains.

#include <immintrin.h>

#include "kernel_loops.h"

namespace {

/// Lane r of the result is the sum of the lanes of v[r], r < 8, in an order that is the same for
/// all r. `add` adds two registers.
template <class Add>
[[gnu::always_inline]] inline __m256 AddLanesOfEight(const __m512* v, Add add) {
  __m512 quads[2];
  Unrolled<2>([&](auto h) __attribute__((always_inline)) {
    const __m512* w = v + 4 * h.kValue;
    const __m512 ab = add(_mm512_unpacklo_ps(w[0], w[1]), _mm512_unpackhi_ps(w[0], w[1]));
    const __m512 cd = add(_mm512_unpacklo_ps(w[2], w[3]), _mm512_unpackhi_ps(w[2], w[3]));
    const __m512d ab2 = _mm512_castps_pd(ab);
    const __m512d cd2 = _mm512_castps_pd(cd);
    quads[h.kValue] = add(_mm512_castpd_ps(_mm512_unpacklo_pd(ab2, cd2)),
                          _mm512_castpd_ps(_mm512_unpackhi_pd(ab2, cd2)));
  });
  // Each quarter of quads[h] holds a part of the sums 4h to 4h + 3.
  const __m512 halves = add(_mm512_shuffle_f32x4(quads[0], quads[1], 0x44),
                            _mm512_shuffle_f32x4(quads[0], quads[1], 0xEE));
  const __m512 all =
      add(_mm512_shuffle_f32x4(halves, halves, 0x88), _mm512_shuffle_f32x4(halves, halves, 0xDD));
  return _mm512_castps512_ps256(all);
}

[[gnu::always_inline]] inline void StoreLaneSums(const __m512i* v, int32_t* out) {
  __m512 rows[8];
  Unrolled<8>([&](auto r) __attribute__((always_inline)) {
    rows[r.kValue] = _mm512_castsi512_ps(v[r.kValue]);
  });
  const auto add = [](__m512 a, __m512 b) __attribute__((always_inline)) {
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
  };
  _mm256_storeu_ps(reinterpret_cast<float*>(out), AddLanesOfEight(rows, add));
}

}  // namespace
