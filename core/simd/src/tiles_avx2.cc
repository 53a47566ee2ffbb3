// Compiled with -mavx2; runs only where the CPU has it.
#include <immintrin.h>

#include "levels.h"
#include "tile_loops.h"
#include "tiles_widened.h"

namespace {

using leadline::simd::kLineValues;
using leadline::simd::kPackedStep;

struct Avx2 {
  static constexpr size_t kWidth = 8;
  static constexpr size_t kHitRegisters = 2;
  using Floats = __m256;
  using Integers = __m256i;

  static Floats LoadFloats(const float* p) { return _mm256_loadu_ps(p); }

  static Integers LoadIntegers(const int32_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }

  static void StoreFloats(float* p, Floats v) { _mm256_storeu_ps(p, v); }

  static void StoreIntegers(int32_t* p, Integers v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
  }

  static Floats Broadcast(float x) { return _mm256_set1_ps(x); }

  static Integers BroadcastIndex(int32_t x) { return _mm256_set1_epi32(x); }

  static Floats Add(Floats a, Floats b) { return _mm256_add_ps(a, b); }

  static Floats Subtract(Floats a, Floats b) { return _mm256_sub_ps(a, b); }

  static Floats Multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }

  static Floats Centre(Integers sum, Integers offset) {
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_add_epi32(sum, sum), offset));
  }

  static uint32_t LessEqual(Floats a, Floats b) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LE_OQ)));
  }

  static size_t WriteHits(Floats distances, uint32_t mask, size_t row, size_t lane, TileHit* hits) {
    return WriteHitsStored<Avx2>(distances, mask, row, lane, hits);
  }

  static uint32_t LowestOfLeast(Floats values, Integers firsts, float* least) {
    return LowestOfLeastStored<Avx2>(values, firsts, least);
  }

  static void TakeLess(Floats a, Integers index, Floats* best, Integers* best_index) {
    const __m256i less = _mm256_castps_si256(_mm256_cmp_ps(a, *best, _CMP_LT_OQ));
    *best = _mm256_min_ps(a, *best);
    *best_index = _mm256_blendv_epi8(*best_index, index, less);
  }
};

struct Widened {
  using Vec = __m256i;
  static constexpr size_t kLanes = 4;
  static constexpr size_t kRows = 2;

  static Vec LoadNumbers(const int8_t* p) {
    return _mm256_cvtepi8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
  }

  static Vec BroadcastCodes(const uint8_t* p) {
    int32_t four;
    __builtin_memcpy(&four, p, sizeof(four));
    // Bytes 0 to 3 with a zero behind each.
    const __m256i places = _mm256_set1_epi64x(static_cast<int64_t>(0x8003800280018000U));
    return _mm256_shuffle_epi8(_mm256_set1_epi32(four), places);
  }

  static Vec Zero() { return _mm256_setzero_si256(); }

  static Vec AddProducts(Vec sum, Vec a, Vec b) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
  }

  static void StoreLanes(const Vec* sums, int32_t* out) {
    Unrolled<2>([&](auto h) __attribute__((always_inline)) {
      // The quarters of both registers, in the order 0 2 1 3.
      const __m256i mixed = _mm256_hadd_epi32(sums[2 * h.kValue], sums[2 * h.kValue + 1]);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8 * h.kValue),
                          _mm256_permute4x64_epi64(mixed, 0xD8));
    });
  }
};

/// Eight registers of eight numbers: register j of `out` becomes the numbers j of all.
[[gnu::always_inline]] inline void Transpose(const __m256i* in, __m256i* out) {
  __m256i pairs[8];
  Unrolled<4>([&](auto k) __attribute__((always_inline)) {
    constexpr size_t kAt = 2 * k.kValue;
    pairs[kAt] = _mm256_unpacklo_epi32(in[kAt], in[kAt + 1]);
    pairs[kAt + 1] = _mm256_unpackhi_epi32(in[kAt], in[kAt + 1]);
  });
  // Half c of quads[4 q + j] holds number 4 c + j of the registers 4 q to 4 q + 3.
  __m256i quads[8];
  Unrolled<2>([&](auto q) __attribute__((always_inline)) {
    constexpr size_t kAt = 4 * q.kValue;
    quads[kAt] = _mm256_unpacklo_epi64(pairs[kAt], pairs[kAt + 2]);
    quads[kAt + 1] = _mm256_unpackhi_epi64(pairs[kAt], pairs[kAt + 2]);
    quads[kAt + 2] = _mm256_unpacklo_epi64(pairs[kAt + 1], pairs[kAt + 3]);
    quads[kAt + 3] = _mm256_unpackhi_epi64(pairs[kAt + 1], pairs[kAt + 3]);
  });
  Unrolled<4>([&](auto j) __attribute__((always_inline)) {
    out[j.kValue] = _mm256_permute2x128_si256(quads[j.kValue], quads[j.kValue + 4], 0x20);
    out[j.kValue + 4] = _mm256_permute2x128_si256(quads[j.kValue], quads[j.kValue + 4], 0x31);
  });
}

/// Eight queries at a time, which are half of each line.
void PackQueries(const int8_t* queries, size_t stride, const uint32_t* ids, size_t count, size_t n,
                 int8_t* packed) {
  constexpr size_t kHalf = kPackLanes / 2;
  const size_t lanes = (count + kPackLanes - 1) / kPackLanes * kPackLanes;
  for (size_t begin = 0; begin < lanes; begin += kHalf) {
    const int8_t* row[kHalf] = {};
    for (size_t l = 0; l < kHalf && begin + l < count; ++l) {
      row[l] = queries + (ids == nullptr ? begin + l : ids[begin + l]) * stride;
    }
    int8_t* half = packed + begin / kPackLanes * n * kPackLanes + begin % kPackLanes * 4;
    size_t j = 0;
    for (; j + 32 <= n; j += 32) {
      __m256i values[kHalf];
      __m256i lines[kHalf];
      Unrolled<kHalf>([&](auto l) __attribute__((always_inline)) {
        const int8_t* from = row[l.kValue];
        values[l.kValue] = from == nullptr
                               ? _mm256_setzero_si256()
                               : _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + j));
      });
      Transpose(values, lines);
      Unrolled<kHalf>([&](auto g) __attribute__((always_inline)) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(half + (j / 4 + g.kValue) * kPackedStep),
                           lines[g.kValue]);
      });
    }
    for (; j < n; j += kLineValues) {
      int8_t* to = half + j / kLineValues * kPackedStep;
      for (size_t l = 0; l < kHalf; ++l, to += kLineValues) {
        int32_t four = 0;
        if (row[l] != nullptr) {
          __builtin_memcpy(&four, row[l] + j, sizeof(four));
        }
        __builtin_memcpy(to, &four, sizeof(four));
      }
    }
  }
}

}  // namespace

namespace leadline::simd {

constinit const TileKernels kAvx2Tiles = {
    kLineValues,      PackQueries,         SumsOfWidened<Widened>,
    HitsOfTile<Avx2>, NearestOfTile<Avx2>, DistancesOfTile<Avx2>};

}  // namespace leadline::simd
