#pragma once

// What the levels do with a tile of sums. Compiled several times with different instruction sets:
// all of it has internal linkage, as kernel_loops.h explains.
//
// A level supplies a struct V:
//   kWidth                     lanes of a register, a divisor of 16
//   Floats, Integers           registers
//   LoadFloats(p), LoadIntegers(p), StoreFloats(p, v), Broadcast(x), BroadcastIndex(x)
//   Add, Subtract, Multiply    of floats, each rounded
//   Centre(sums, offset)       float(2 * sums - offset)
//   LessEqual(a, b)            bit i: a[i] <= b[i]
//   TakeLess(a, index, best, best_index)   where a < best: best = a, best_index = index
//   kHitRegisters              registers of distances between two looks at whether any is a hit
//   WriteHits(distances, mask, row, lane, hits)   writes a hit for each bit of the mask, `lane`
//   that
//                              of bit 0, and may write kWidth hits whatever the mask; returns how
//                              many
//   LowestOfLeast(values, firsts, least)   *least = the least value; returns the lowest lane that
//                              has it, where the lane of element i is firsts[i] + i

#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernel_loops.h"
#include "leadline/simd/tile_kernels.h"

namespace {

using leadline::simd::kPackLanes;
using leadline::simd::SumTile;
using leadline::simd::TileHit;
using leadline::simd::TileLanes;

/// LowestOfLeast of a level, by its StoreFloats and StoreIntegers.
template <class V>
inline uint32_t LowestOfLeastStored(typename V::Floats values, typename V::Integers firsts,
                                    float* least) {
  float value[V::kWidth];
  int32_t first[V::kWidth];
  V::StoreFloats(value, values);
  V::StoreIntegers(first, firsts);
  *least = value[0];
  auto lowest = static_cast<uint32_t>(first[0]);
  for (uint32_t i = 1; i < V::kWidth; ++i) {
    const uint32_t lane = static_cast<uint32_t>(first[i]) + i;
    if (value[i] < *least || (value[i] == *least && lane < lowest)) {
      *least = value[i];
      lowest = lane;
    }
  }
  return lowest;
}

struct TileTerms {
  float add;
  float scale;
};

[[gnu::always_inline]] inline TileTerms TermsOf(const SumTile& tile, size_t row) {
  const size_t at = tile.ids == nullptr ? row : tile.ids[row];
  TileTerms terms = {};
  __builtin_memcpy(&terms, tile.terms + at * tile.terms_stride, sizeof(terms));
  return terms;
}

/// One row of a tile, its two numbers in registers.
template <class V>
struct TileRow {
  typename V::Floats add;
  typename V::Floats scale;
  const int32_t* sums;

  TileRow(const SumTile& tile, size_t row) : sums(tile.sums + row * tile.sum_stride) {
    const TileTerms terms = TermsOf(tile, row);
    add = V::Broadcast(terms.add);
    scale = V::Broadcast(terms.scale);
  }

  /// Distances of the lanes from `lane` on.
  [[gnu::always_inline]] typename V::Floats Distances(const TileLanes& lanes, size_t lane) const {
    const typename V::Floats centred =
        V::Centre(V::LoadIntegers(sums + lane), V::LoadIntegers(lanes.offset + lane));
    const typename V::Floats factor = V::Multiply(scale, V::LoadFloats(lanes.multiplier + lane));
    return V::Subtract(V::Add(add, V::LoadFloats(lanes.add + lane)), V::Multiply(factor, centred));
  }
};

/// WriteHits of a level, by its StoreFloats.
template <class V>
inline size_t WriteHitsStored(typename V::Floats distances, uint32_t mask, size_t row, size_t lane,
                              TileHit* hits) {
  float values[V::kWidth];
  V::StoreFloats(values, distances);
  size_t written = 0;
  for (; mask != 0; mask &= mask - 1) {
    const auto i = static_cast<uint32_t>(__builtin_ctz(mask));
    hits[written++] = {values[i], static_cast<uint16_t>(row), static_cast<uint16_t>(lane + i)};
  }
  return written;
}

template <class V>
size_t HitsOfTile(const SumTile& tile, const TileLanes& lanes, const float* thresholds,
                  TileHit* hits) {
  const size_t lane_count = kPackLanes * tile.packs;
  size_t count = 0;
  for (size_t r = 0; r < tile.rows; ++r) {
    const TileRow<V> row(tile, r);
    const auto look = [&](auto registers, size_t lane) __attribute__((always_inline)) {
      typename V::Floats distances[registers.kValue];
      uint32_t masks[registers.kValue];
      uint32_t any = 0;
      Unrolled<registers.kValue>([&](auto i) __attribute__((always_inline)) {
        const size_t at = lane + i.kValue * V::kWidth;
        distances[i.kValue] = row.Distances(lanes, at);
        masks[i.kValue] = V::LessEqual(distances[i.kValue], V::LoadFloats(thresholds + at));
        any |= masks[i.kValue];
      });
      if (any == 0) {
        return;
      }
      Unrolled<registers.kValue>([&](auto i) __attribute__((always_inline)) {
        count += V::WriteHits(distances[i.kValue], masks[i.kValue], r, lane + i.kValue * V::kWidth,
                              hits + count);
      });
    };
    size_t lane = 0;
    for (; lane + V::kHitRegisters * V::kWidth <= lane_count;
         lane += V::kHitRegisters * V::kWidth) {
      look(Constant<V::kHitRegisters>(), lane);
    }
    for (; lane < lane_count; lane += V::kWidth) {
      look(Constant<1>(), lane);
    }
  }
  return count;
}

/// Each lane of the registers keeps its own best over the row, with the first lane number of the
/// register it came from; the lowest number among equals wins at the end.
template <class V>
void NearestOfTile(const SumTile& tile, const TileLanes& lanes, uint32_t first_lane, float* best,
                   uint32_t* best_lane) {
  const size_t lane_count = kPackLanes * tile.packs;
  for (size_t r = 0; r < tile.rows; ++r) {
    const TileRow<V> row(tile, r);
    typename V::Floats nearest = V::Broadcast(std::numeric_limits<float>::infinity());
    typename V::Integers from = V::BroadcastIndex(0);
    for (size_t lane = 0; lane < lane_count; lane += V::kWidth) {
      V::TakeLess(row.Distances(lanes, lane), V::BroadcastIndex(static_cast<int32_t>(lane)),
                  &nearest, &from);
    }
    // Most tiles do not lower a row's best once a few have passed.
    if (V::LessEqual(V::Broadcast(best[r]), nearest) != (1U << V::kWidth) - 1) {
      best_lane[r] = first_lane + V::LowestOfLeast(nearest, from, &best[r]);
    }
  }
}

template <class V>
void DistancesOfTile(const SumTile& tile, const TileLanes& lanes, float* out) {
  const size_t lane_count = kPackLanes * tile.packs;
  for (size_t r = 0; r < tile.rows; ++r) {
    const TileRow<V> row(tile, r);
    for (size_t lane = 0; lane < lane_count; lane += V::kWidth) {
      V::StoreFloats(out + r * lane_count + lane, row.Distances(lanes, lane));
    }
  }
}

}  // namespace
