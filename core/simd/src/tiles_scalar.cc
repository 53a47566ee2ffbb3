#include <limits>

#include "levels.h"
#include "tile_loops.h"

namespace {

using leadline::simd::kPackedStep;

/// A "register" of one lane.
struct Scalar {
  static constexpr size_t kWidth = 1;
  static constexpr size_t kHitRegisters = 2;
  using Floats = float;
  using Integers = int32_t;

  static Floats LoadFloats(const float* p) { return *p; }

  static Integers LoadIntegers(const int32_t* p) { return *p; }

  static void StoreFloats(float* p, Floats v) { *p = v; }

  static void StoreIntegers(int32_t* p, Integers v) { *p = v; }

  static Floats Broadcast(float x) { return x; }

  static Integers BroadcastIndex(int32_t x) { return x; }

  static Floats Add(Floats a, Floats b) { return a + b; }

  static Floats Subtract(Floats a, Floats b) { return a - b; }

  static Floats Multiply(Floats a, Floats b) { return a * b; }

  static Floats Centre(Integers sum, Integers offset) {
    // Twice the sum may wrap; the difference fits again.
    const uint32_t doubled = 2U * static_cast<uint32_t>(sum);
    return static_cast<float>(static_cast<int32_t>(doubled - static_cast<uint32_t>(offset)));
  }

  static uint32_t LessEqual(Floats a, Floats b) { return a <= b ? 1 : 0; }

  static size_t WriteHits(Floats distances, uint32_t mask, size_t row, size_t lane, TileHit* hits) {
    return WriteHitsStored<Scalar>(distances, mask, row, lane, hits);
  }

  static uint32_t LowestOfLeast(Floats values, Integers firsts, float* least) {
    return LowestOfLeastStored<Scalar>(values, firsts, least);
  }

  static void TakeLess(Floats a, Integers index, Floats* best, Integers* best_index) {
    if (a < *best) {
      *best = a;
      *best_index = index;
    }
  }
};

void PackQueries(const int8_t* queries, size_t stride, const uint32_t* ids, size_t count, size_t n,
                 int8_t* packed) {
  for (size_t begin = 0; begin < count; begin += kPackLanes, packed += n * kPackLanes) {
    for (size_t l = 0; l < kPackLanes; ++l) {
      const size_t i = begin + l;
      if (i >= count) {
        for (size_t g = 0; g < n / 4; ++g) {
          __builtin_memset(packed + g * kPackedStep + 4 * l, 0, 4);
        }
        continue;
      }
      const int8_t* query = queries + (ids == nullptr ? i : ids[i]) * stride;
      for (size_t g = 0; g < n / 4; ++g) {
        __builtin_memcpy(packed + g * kPackedStep + 4 * l, query + 4 * g, 4);
      }
    }
  }
}

void PackedSums(const uint8_t* codes, size_t stride, const uint32_t* ids, size_t row_count,
                size_t n, const int8_t* packed, size_t packs, int32_t* out, size_t out_stride) {
  for (size_t p = 0; p < packs; ++p) {
    const int8_t* pack = packed + p * n * kPackLanes;
    for (size_t r = 0; r < row_count; ++r) {
      const uint8_t* row = codes + (ids == nullptr ? r : ids[r]) * stride;
      int32_t sums[kPackLanes] = {};
      for (size_t g = 0; g < n / 4; ++g) {
        const int8_t* line = pack + g * kPackedStep;
        for (size_t l = 0; l < kPackLanes; ++l) {
          for (size_t j = 0; j < 4; ++j) {
            sums[l] += row[4 * g + j] * line[4 * l + j];
          }
        }
      }
      __builtin_memcpy(out + r * out_stride + p * kPackLanes, sums, sizeof(sums));
    }
  }
}

}  // namespace

namespace leadline::simd {

constinit const TileKernels kScalarTiles = {
    kLineValues,        PackQueries,           PackedSums,
    HitsOfTile<Scalar>, NearestOfTile<Scalar>, DistancesOfTile<Scalar>};

}  // namespace leadline::simd
