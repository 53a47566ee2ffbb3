// Compiled with -mavx512f and friends; runs only where the CPU has them.
#include <immintrin.h>

#include "avx512_rows.h"
#include "code_loops.h"
#include "levels.h"

namespace {

using leadline::simd::SumToDistance;

/// bf16 values at even places become f32 by a shift, those at odd places by a mask; the query is
/// sorted the same way once for all rows of a pass.
struct Bf16 {
  using Row = uint16_t;
  using Number = float;
  using Result = float;

  struct Query {
    __m512 even;
    __m512 odd;
  };

  using Sum = __m512;
  static constexpr size_t kRows = 8;
  static constexpr size_t kRowStep = 32;
  static constexpr size_t kQueryStep = 32;

  static Query LoadQuery(const float* p) {
    const __m512i evens =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
    const __m512 first = _mm512_loadu_ps(p);
    const __m512 second = _mm512_loadu_ps(p + 16);
    return {_mm512_permutex2var_ps(first, evens, second),
            _mm512_permutex2var_ps(first, odds, second)};
  }

  static Sum Zero() { return _mm512_setzero_ps(); }

  static void Add(Sum* sum, const Query& q, const uint16_t* row) {
    const __m512i pairs = _mm512_loadu_si512(row);
    const __m512i odd = _mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xFFFF0000U)));
    *sum = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)), q.even, *sum);
    *sum = _mm512_fmadd_ps(_mm512_castsi512_ps(odd), q.odd, *sum);
  }

  static void Reduce(const Sum* sums, float* out) {
    _mm256_storeu_ps(out, AddLanesOfEight(
                              sums, [](__m512 a, __m512 b) __attribute__((always_inline)) {
                                return _mm512_add_ps(a, b);
                              }));
  }
};

/// Distances of sixteen rows and which of them are to be kept.
struct Sixteen {
  __m512 distances;
  __mmask16 kept;
};

struct Selection {
  __m512 multiplier;
  __m512i offset;
  __m512 threshold;

  [[gnu::always_inline]] Sixteen Map(const int32_t* sums, const float* add, const float* scale,
                                     const uint64_t* allowed, size_t i) const {
    const __m512i sum = _mm512_loadu_si512(sums + i);
    const __m512 centred = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_add_epi32(sum, sum), offset));
    const __m512 factor = _mm512_mul_ps(_mm512_loadu_ps(scale + i), multiplier);
    const __m512 distances =
        _mm512_sub_ps(_mm512_loadu_ps(add + i), _mm512_mul_ps(factor, centred));
    uint16_t bits = 0xFFFF;
    if (allowed != nullptr) {
      __builtin_memcpy(&bits, reinterpret_cast<const char*>(allowed) + i / 8, sizeof(bits));
    }
    return {distances, _mm512_mask_cmp_ps_mask(bits, distances, threshold, _CMP_LE_OQ)};
  }
};

}  // namespace

namespace leadline::simd::avx512 {

size_t SelectNear(const int32_t* sums, const float* add, const float* scale, size_t count,
                  SumToDistance map, float threshold, const uint64_t* allowed, uint32_t first,
                  float* distances, uint32_t* positions) {
  const Selection selection = {_mm512_set1_ps(map.multiplier), _mm512_set1_epi32(map.offset),
                               _mm512_set1_ps(threshold)};
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  size_t kept = 0;
  // Packed in registers and stored whole: storing packed takes microcode on AMD.
  const auto append = [&](const Sixteen& rows, size_t i) __attribute__((always_inline)) {
    const __m512i place = _mm512_add_epi32(
        lane, _mm512_set1_epi32(static_cast<int>(first + static_cast<uint32_t>(i))));
    _mm512_storeu_ps(distances + kept, _mm512_maskz_compress_ps(rows.kept, rows.distances));
    _mm512_storeu_si512(positions + kept, _mm512_maskz_compress_epi32(rows.kept, place));
    kept += static_cast<size_t>(__builtin_popcount(rows.kept));
  };
  constexpr size_t kRegisters = 4;
  size_t i = 0;
  for (; i + 16 * kRegisters <= count; i += 16 * kRegisters) {
    Sixteen rows[kRegisters];
    uint32_t any = 0;
    Unrolled<kRegisters>([&](auto r) __attribute__((always_inline)) {
      rows[r.kValue] = selection.Map(sums, add, scale, allowed, i + 16 * r.kValue);
      any |= rows[r.kValue].kept;
    });
    if (any != 0) {
      Unrolled<kRegisters>([&](auto r) __attribute__((always_inline)) {
        append(rows[r.kValue], i + 16 * r.kValue);
      });
    }
  }
  for (; i < count; i += 16) {
    append(selection.Map(sums, add, scale, allowed, i), i);
  }
  return kept;
}

void Bf16Gather(const float* query, const uint16_t* rows, size_t stride, const uint32_t* ids,
                size_t count, size_t n, float* out) {
  GatherSums<Bf16>(query, rows, stride, ids, count, n, out);
}

}  // namespace leadline::simd::avx512
