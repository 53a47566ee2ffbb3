// Compiled with -mavx2 -mfma; runs only where the CPU has them.
#include <immintrin.h>

#include "code_loops.h"
#include "levels.h"
#include "wide_codes.h"
#include "wide_tables.h"

namespace {

using leadline::simd::SumToDistance;

struct Avx2 {
  using Vec = __m256i;
  static constexpr size_t kBytes = 32;
  static constexpr size_t kRows = 4;

  static Vec Load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

  static void Store(void* p, Vec v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

  static Vec Zero() { return _mm256_setzero_si256(); }

  static Vec Set8(int8_t x) { return _mm256_set1_epi8(x); }

  static Vec Set16(int16_t x) { return _mm256_set1_epi16(x); }

  static Vec And(Vec a, Vec b) { return _mm256_and_si256(a, b); }

  static Vec Add16(Vec a, Vec b) { return _mm256_add_epi16(a, b); }

  static Vec Sub16(Vec a, Vec b) { return _mm256_sub_epi16(a, b); }

  static Vec Add32(Vec a, Vec b) { return _mm256_add_epi32(a, b); }

  template <int kBits>
  static Vec Left16(Vec v) {
    return _mm256_slli_epi16(v, kBits);
  }

  template <int kBits>
  static Vec Right16(Vec v) {
    return _mm256_srli_epi16(v, kBits);
  }

  template <int kBits>
  static Vec RightSigned16(Vec v) {
    return _mm256_srai_epi16(v, kBits);
  }

  static Vec MulAddBytes(Vec u, Vec s) { return _mm256_maddubs_epi16(u, s); }

  static Vec MulAdd16(Vec a, Vec b) { return _mm256_madd_epi16(a, b); }

  static Vec LookUp(Vec table, Vec index) { return _mm256_shuffle_epi8(table, index); }

  static Vec BroadcastTable(const uint8_t* p) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }

  static Vec UnpackLow16(Vec a, Vec b) { return _mm256_unpacklo_epi16(a, b); }

  static Vec UnpackHigh16(Vec a, Vec b) { return _mm256_unpackhi_epi16(a, b); }

  static Vec UnpackLow32(Vec a, Vec b) { return _mm256_unpacklo_epi32(a, b); }

  static Vec UnpackHigh32(Vec a, Vec b) { return _mm256_unpackhi_epi32(a, b); }

  static Vec UnpackLow64(Vec a, Vec b) { return _mm256_unpacklo_epi64(a, b); }

  static Vec UnpackHigh64(Vec a, Vec b) { return _mm256_unpackhi_epi64(a, b); }

  static void StoreLaneSums(const Vec* v, int32_t* out) {
    const __m256i all =
        _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                     _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1)));
  }
};

/// As at the level "avx512", with half as long registers and two sums a row.
struct Bf16 {
  using Row = uint16_t;
  using Number = float;
  using Result = float;

  struct Query {
    __m256 even;
    __m256 odd;
  };

  struct Sum {
    __m256 even;
    __m256 odd;
  };

  static constexpr size_t kRows = 4;
  static constexpr size_t kRowStep = 16;
  static constexpr size_t kQueryStep = 16;

  static Query LoadQuery(const float* p) {
    const __m256 first = _mm256_loadu_ps(p);
    const __m256 second = _mm256_loadu_ps(p + 8);
    return {InOrder(_mm256_shuffle_ps(first, second, 0x88)),
            InOrder(_mm256_shuffle_ps(first, second, 0xDD))};
  }

  static Sum Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }

  static void Add(Sum* sum, const Query& q, const uint16_t* row) {
    __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row));
    asm("" : "+v"(pairs));  // loaded once: g++ would load it for each of its two uses
    const __m256i odd = _mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xFFFF0000U)));
    sum->even =
        _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)), q.even, sum->even);
    sum->odd = _mm256_fmadd_ps(_mm256_castsi256_ps(odd), q.odd, sum->odd);
  }

  static void Reduce(const Sum* sums, float* out) {
    __m256 rows[kRows];
    Unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
      rows[r.kValue] = _mm256_add_ps(sums[r.kValue].even, sums[r.kValue].odd);
    });
    const __m256 all =
        _mm256_hadd_ps(_mm256_hadd_ps(rows[0], rows[1]), _mm256_hadd_ps(rows[2], rows[3]));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
  }

 private:
  /// The quarters 0, 2, 1, 3.
  static __m256 InOrder(__m256 v) {
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(v), 0xD8));
  }
};

/// For each set of lanes of a register of eight their numbers in order, one in each byte.
struct Packing {
  uint64_t lanes[256];

  constexpr Packing() : lanes() {
    for (unsigned kept = 0; kept < 256; ++kept) {
      unsigned place = 0;
      for (unsigned lane = 0; lane < 8; ++lane) {
        if ((kept >> lane & 1U) != 0) {
          lanes[kept] |= uint64_t{lane} << (8 * place++);
        }
      }
    }
  }
};

constexpr Packing kPacking;

/// Distances of eight rows and which of them are to be kept.
struct Eight {
  __m256 distances;
  unsigned kept;
};

struct Selection {
  __m256 multiplier;
  __m256i offset;
  __m256 threshold;

  [[gnu::always_inline]] Eight Map(const int32_t* sums, const float* add, const float* scale,
                                   const uint64_t* allowed, size_t i) const {
    const __m256i sum = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums + i));
    const __m256 centred = _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_add_epi32(sum, sum), offset));
    const __m256 factor = _mm256_mul_ps(_mm256_loadu_ps(scale + i), multiplier);
    const __m256 distances =
        _mm256_sub_ps(_mm256_loadu_ps(add + i), _mm256_mul_ps(factor, centred));
    const __m256 near = _mm256_cmp_ps(distances, threshold, _CMP_LE_OQ);
    auto kept = static_cast<unsigned>(_mm256_movemask_ps(near));
    if (allowed != nullptr) {
      kept &= static_cast<unsigned>(allowed[i / 64] >> (i % 64)) & 0xFFU;
    }
    return {distances, kept};
  }
};

size_t SelectNear(const int32_t* sums, const float* add, const float* scale, size_t count,
                  SumToDistance map, float threshold, const uint64_t* allowed, uint32_t first,
                  float* distances, uint32_t* positions) {
  const Selection selection = {_mm256_set1_ps(map.multiplier), _mm256_set1_epi32(map.offset),
                               _mm256_set1_ps(threshold)};
  size_t kept = 0;
  const auto append = [&](const Eight& rows, size_t i) __attribute__((always_inline)) {
    const __m256i lanes = _mm256_cvtepu8_epi32(
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kPacking.lanes + rows.kept)));
    const auto begin = static_cast<int>(first + static_cast<uint32_t>(i));
    _mm256_storeu_ps(distances + kept, _mm256_permutevar8x32_ps(rows.distances, lanes));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(positions + kept),
                        _mm256_add_epi32(lanes, _mm256_set1_epi32(begin)));
    kept += static_cast<size_t>(__builtin_popcount(rows.kept));
  };
  for (size_t i = 0; i < count; i += 16) {
    const Eight low = selection.Map(sums, add, scale, allowed, i);
    const Eight high = selection.Map(sums, add, scale, allowed, i + 8);
    if ((low.kept | high.kept) != 0) {
      append(low, i);
      append(high, i + 8);
    }
  }
  return kept;
}

}  // namespace

namespace leadline::simd {

constinit const CodeKernels kAvx2Codes = {
    GatherSums<WideSq8<Avx2>>, GatherSums<WideSq4<Avx2>>, WideTableSums<Avx2>, SelectNear,
    GatherSums<Bf16>,          avx2::MakeProductTable,    avx2::MakeSignTable, avx2::Rotate,
    avx2::SignCodes,           avx2::Projection,          avx2::ByteCodes,     avx2::ByteRow,
    avx2::SquaredDistance};

}  // namespace leadline::simd
