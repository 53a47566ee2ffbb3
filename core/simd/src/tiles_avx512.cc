// Compiled with -mavx512f and friends; runs only where the CPU has them.
#include <immintrin.h>

#include "levels.h"
#include "tile_loops.h"
#include "tiles_widened.h"

namespace {

using leadline::simd::kLineValues;
using leadline::simd::kPackedStep;
using leadline::simd::kPackLanes;
using leadline::simd::SumTile;
using leadline::simd::TileHit;
using leadline::simd::TileLanes;

struct Avx512 {
  static constexpr size_t kWidth = 16;
  static constexpr size_t kHitRegisters = 4;
  using Floats = __m512;
  using Integers = __m512i;

  static Floats LoadFloats(const float* p) { return _mm512_loadu_ps(p); }

  static Integers LoadIntegers(const int32_t* p) { return _mm512_loadu_si512(p); }

  static void StoreFloats(float* p, Floats v) { _mm512_storeu_ps(p, v); }

  static Floats Broadcast(float x) { return _mm512_set1_ps(x); }

  static Integers BroadcastIndex(int32_t x) { return _mm512_set1_epi32(x); }

  static Floats Add(Floats a, Floats b) { return _mm512_add_ps(a, b); }

  static Floats Subtract(Floats a, Floats b) { return _mm512_sub_ps(a, b); }

  static Floats Multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }

  static Floats Centre(Integers sum, Integers offset) {
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_add_epi32(sum, sum), offset));
  }

  static uint32_t LessEqual(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }

  static size_t WriteHits(Floats distances, uint32_t mask, size_t row, size_t lane, TileHit* hits) {
    const auto hit = static_cast<__mmask16>(mask);
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i first = _mm512_set1_epi32(static_cast<int32_t>(row + (lane << 16)));
    const __m512i places = _mm512_add_epi32(first, _mm512_slli_epi32(lanes, 16));
    const __m512i values = _mm512_castps_si512(_mm512_maskz_compress_ps(hit, distances));
    const __m512i kept = _mm512_maskz_compress_epi32(hit, places);
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    _mm512_storeu_si512(hits, _mm512_permutex2var_epi32(values, low, kept));
    _mm512_storeu_si512(hits + 8, _mm512_permutex2var_epi32(values, high, kept));
    return static_cast<size_t>(__builtin_popcount(mask));
  }

  static uint32_t LowestOfLeast(Floats values, Integers firsts, float* least) {
    *least = _mm512_reduce_min_ps(values);
    const __mmask16 equal = _mm512_cmp_ps_mask(values, _mm512_set1_ps(*least), _CMP_EQ_OQ);
    const __m512i places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_mask_reduce_min_epu32(equal, _mm512_add_epi32(firsts, places));
  }

  static void TakeLess(Floats a, Integers index, Floats* best, Integers* best_index) {
    const __mmask16 less = _mm512_cmp_ps_mask(a, *best, _CMP_LT_OQ);
    *best = _mm512_min_ps(a, *best);
    *best_index = _mm512_mask_mov_epi32(*best_index, less, index);
  }
};

struct Widened {
  using Vec = __m512i;
  static constexpr size_t kLanes = 8;
  static constexpr size_t kRows = 8;

  static Vec LoadNumbers(const int8_t* p) {
    return _mm512_cvtepi8_epi16(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
  }

  static Vec BroadcastCodes(const uint8_t* p) {
    int32_t four;
    __builtin_memcpy(&four, p, sizeof(four));
    // Bytes 0 to 3 with a zero behind each.
    const __m512i places = _mm512_set1_epi64(static_cast<int64_t>(0x8003800280018000U));
    return _mm512_shuffle_epi8(_mm512_set1_epi32(four), places);
  }

  static Vec Zero() { return _mm512_setzero_si512(); }

  static Vec AddProducts(Vec sum, Vec a, Vec b) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
  }

  static void StoreLanes(const Vec* sums, int32_t* out) {
    const __m512i evens =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
    _mm512_storeu_si512(out, _mm512_add_epi32(_mm512_permutex2var_epi32(sums[0], evens, sums[1]),
                                              _mm512_permutex2var_epi32(sums[0], odds, sums[1])));
  }
};

/// Sixteen registers of sixteen numbers: register j of `out` becomes the numbers j of all.
[[gnu::always_inline]] inline void Transpose(const __m512i* in, __m512i* out) {
  __m512i pairs[16];
  Unrolled<8>([&](auto k) __attribute__((always_inline)) {
    constexpr size_t kAt = 2 * k.kValue;
    pairs[kAt] = _mm512_unpacklo_epi32(in[kAt], in[kAt + 1]);
    pairs[kAt + 1] = _mm512_unpackhi_epi32(in[kAt], in[kAt + 1]);
  });
  // Quarter c of quads[4 q + j] holds number 4 c + j of the registers 4 q to 4 q + 3.
  __m512i quads[16];
  Unrolled<4>([&](auto q) __attribute__((always_inline)) {
    constexpr size_t kAt = 4 * q.kValue;
    quads[kAt] = _mm512_unpacklo_epi64(pairs[kAt], pairs[kAt + 2]);
    quads[kAt + 1] = _mm512_unpackhi_epi64(pairs[kAt], pairs[kAt + 2]);
    quads[kAt + 2] = _mm512_unpacklo_epi64(pairs[kAt + 1], pairs[kAt + 3]);
    quads[kAt + 3] = _mm512_unpackhi_epi64(pairs[kAt + 1], pairs[kAt + 3]);
  });
  Unrolled<4>([&](auto j) __attribute__((always_inline)) {
    constexpr size_t kAt = j.kValue;
    const __m512i low01 = _mm512_shuffle_i32x4(quads[kAt], quads[kAt + 4], 0x44);
    const __m512i high01 = _mm512_shuffle_i32x4(quads[kAt], quads[kAt + 4], 0xEE);
    const __m512i low23 = _mm512_shuffle_i32x4(quads[kAt + 8], quads[kAt + 12], 0x44);
    const __m512i high23 = _mm512_shuffle_i32x4(quads[kAt + 8], quads[kAt + 12], 0xEE);
    out[kAt] = _mm512_shuffle_i32x4(low01, low23, 0x88);
    out[kAt + 4] = _mm512_shuffle_i32x4(low01, low23, 0xDD);
    out[kAt + 8] = _mm512_shuffle_i32x4(high01, high23, 0x88);
    out[kAt + 12] = _mm512_shuffle_i32x4(high01, high23, 0xDD);
  });
}

/// HitsOfTile of so many packs: all that belongs to lanes stays in registers while rows pass, and
/// hits, which are few, are written one by one.
template <size_t kPacks>
size_t HitsOfPacks(const SumTile& tile, const TileLanes& lanes, const float* thresholds,
                   TileHit* hits) {
  __m512 multiplier[kPacks];
  __m512 add[kPacks];
  __m512 threshold[kPacks];
  __m512i offset[kPacks];
  Unrolled<kPacks>([&](auto p) __attribute__((always_inline)) {
    constexpr size_t kLane = p.kValue * kPackLanes;
    multiplier[p.kValue] = _mm512_loadu_ps(lanes.multiplier + kLane);
    add[p.kValue] = _mm512_loadu_ps(lanes.add + kLane);
    threshold[p.kValue] = _mm512_loadu_ps(thresholds + kLane);
    offset[p.kValue] = _mm512_loadu_si512(lanes.offset + kLane);
  });
  size_t count = 0;
  for (size_t r = 0; r < tile.rows; ++r) {
    const TileRow<Avx512> row(tile, r);
    __m512 distances[kPacks];
    uint64_t near = 0;
    Unrolled<kPacks>([&](auto p) __attribute__((always_inline)) {
      constexpr size_t kLane = p.kValue * kPackLanes;
      const __m512 centred =
          Avx512::Centre(Avx512::LoadIntegers(row.sums + kLane), offset[p.kValue]);
      const __m512 factor = _mm512_mul_ps(row.scale, multiplier[p.kValue]);
      distances[p.kValue] =
          _mm512_sub_ps(_mm512_add_ps(row.add, add[p.kValue]), _mm512_mul_ps(factor, centred));
      near |= uint64_t{Avx512::LessEqual(distances[p.kValue], threshold[p.kValue])} << kLane;
    });
    if (near == 0) {
      continue;
    }
    float values[kPacks * kPackLanes];
    Unrolled<kPacks>([&](auto p) __attribute__((always_inline)) {
      _mm512_storeu_ps(values + p.kValue * kPackLanes, distances[p.kValue]);
    });
    for (; near != 0; near &= near - 1) {
      const auto lane = static_cast<uint16_t>(__builtin_ctzll(near));
      hits[count++] = {values[lane], static_cast<uint16_t>(r), lane};
    }
  }
  return count;
}

}  // namespace

namespace leadline::simd::avx512 {

void PackQueries(const int8_t* queries, size_t stride, const uint32_t* ids, size_t count, size_t n,
                 int8_t* packed) {
  for (size_t begin = 0; begin < count; begin += kPackLanes) {
    const int8_t* row[kPackLanes];
    const size_t present = count - begin < kPackLanes ? count - begin : kPackLanes;
    for (size_t l = 0; l < present; ++l) {
      row[l] = queries + (ids == nullptr ? begin + l : ids[begin + l]) * stride;
    }
    for (size_t j = 0; j < n; j += kPackedStep) {
      const size_t left = n - j < kPackedStep ? n - j : kPackedStep;
      const __mmask64 there = ~uint64_t{0} >> (kPackedStep - left);
      __m512i values[kPackLanes];
      __m512i lines[kPackLanes];
      Unrolled<kPackLanes>([&](auto l) __attribute__((always_inline)) {
        values[l.kValue] = l.kValue < present ? _mm512_maskz_loadu_epi8(there, row[l.kValue] + j)
                                              : _mm512_setzero_si512();
      });
      Transpose(values, lines);
      Unrolled<kPackLanes>([&](auto g) __attribute__((always_inline)) {
        if (g.kValue < left / kLineValues) {
          _mm512_store_si512(packed + g.kValue * kPackedStep, lines[g.kValue]);
        }
      });
      packed += kPackLanes * left;
    }
  }
}

size_t TileHits(const SumTile& tile, const TileLanes& lanes, const float* thresholds,
                TileHit* hits) {
  switch (tile.packs) {
    case 1:
      return HitsOfPacks<1>(tile, lanes, thresholds, hits);
    case 2:
      return HitsOfPacks<2>(tile, lanes, thresholds, hits);
    case 3:
      return HitsOfPacks<3>(tile, lanes, thresholds, hits);
    case 4:
      return HitsOfPacks<4>(tile, lanes, thresholds, hits);
    default:
      return HitsOfTile<Avx512>(tile, lanes, thresholds, hits);
  }
}

void TileNearest(const SumTile& tile, const TileLanes& lanes, uint32_t first_lane, float* best,
                 uint32_t* best_lane) {
  NearestOfTile<Avx512>(tile, lanes, first_lane, best, best_lane);
}

void TileDistances(const SumTile& tile, const TileLanes& lanes, float* out) {
  DistancesOfTile<Avx512>(tile, lanes, out);
}

}  // namespace leadline::simd::avx512

namespace leadline::simd {

constinit const TileKernels kAvx512Tiles = {
    kLineValues,      avx512::PackQueries, SumsOfWidened<Widened>,
    avx512::TileHits, avx512::TileNearest, avx512::TileDistances};

}  // namespace leadline::simd
