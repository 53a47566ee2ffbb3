// Compiled with -mavx512f and friends; runs only where the CPU has them.
#include <immintrin.h>

#include "avx512_rows.h"
#include "code_loops.h"
#include "levels.h"
#include "wide_codes.h"
#include "wide_tables.h"

namespace {

using leadline::simd::SumToDistance;

struct Avx512 {
  using Vec = __m512i;
  static constexpr size_t kBytes = 64;
  static constexpr size_t kRows = 8;

  static Vec Load(const void* p) { return _mm512_loadu_si512(p); }

  static void Store(void* p, Vec v) { _mm512_storeu_si512(p, v); }

  static Vec Zero() { return _mm512_setzero_si512(); }

  static Vec Set8(int8_t x) { return _mm512_set1_epi8(x); }

  static Vec Set16(int16_t x) { return _mm512_set1_epi16(x); }

  static Vec And(Vec a, Vec b) { return _mm512_and_si512(a, b); }

  static Vec Add16(Vec a, Vec b) { return _mm512_add_epi16(a, b); }

  static Vec Sub16(Vec a, Vec b) { return _mm512_sub_epi16(a, b); }

  static Vec Add32(Vec a, Vec b) { return _mm512_add_epi32(a, b); }

  template <int kBits>
  static Vec Left16(Vec v) {
    return _mm512_slli_epi16(v, kBits);
  }

  template <int kBits>
  static Vec Right16(Vec v) {
    return _mm512_srli_epi16(v, kBits);
  }

  template <int kBits>
  static Vec RightSigned16(Vec v) {
    return _mm512_srai_epi16(v, kBits);
  }

  static Vec MulAddBytes(Vec u, Vec s) { return _mm512_maddubs_epi16(u, s); }

  static Vec MulAdd16(Vec a, Vec b) { return _mm512_madd_epi16(a, b); }

  static Vec LookUp(Vec table, Vec index) { return _mm512_shuffle_epi8(table, index); }

  static Vec BroadcastTable(const uint8_t* p) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }

  static Vec UnpackLow16(Vec a, Vec b) { return _mm512_unpacklo_epi16(a, b); }

  static Vec UnpackHigh16(Vec a, Vec b) { return _mm512_unpackhi_epi16(a, b); }

  static Vec UnpackLow32(Vec a, Vec b) { return _mm512_unpacklo_epi32(a, b); }

  static Vec UnpackHigh32(Vec a, Vec b) { return _mm512_unpackhi_epi32(a, b); }

  static Vec UnpackLow64(Vec a, Vec b) { return _mm512_unpacklo_epi64(a, b); }

  static Vec UnpackHigh64(Vec a, Vec b) { return _mm512_unpackhi_epi64(a, b); }

  static void StoreLaneSums(const Vec* v, int32_t* out) { ::StoreLaneSums(v, out); }
};

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
    __m512i pairs = _mm512_loadu_si512(row);
    asm("" : "+v"(pairs));  // loaded once: g++ would load it for each of its two uses
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

namespace leadline::simd {

constinit const CodeKernels kAvx512Codes = {
    GatherSums<WideSq8<Avx512>>, GatherSums<WideSq4<Avx512>>,
    WideTableSums<Avx512>,       avx512::SelectNear,
    avx512::Bf16Gather,          avx512::MakeProductTable,
    avx512::MakeSignTable,       avx512::Rotate,
    avx512::SignCodes,           avx512::Projection,
    avx512::ByteCodes,           avx512::ByteRow,
    avx512::SquaredDistance};

}  // namespace leadline::simd
