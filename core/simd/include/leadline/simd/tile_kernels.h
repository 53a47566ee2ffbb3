#pragma once

/// Kernels for many queries against many rows: integer matrix products of rows of 8-bit codes with
/// packed queries, and what becomes of a tile of such sums. Sums and distances are equal at every
/// level, bit for bit; levels differ in speed alone.
///
/// Packed queries: packs of kPackLanes queries, each n / 4 lines of 64 bytes on a 64-byte boundary;
/// line g holds the values 4g to 4g + 3 of the sixteen, query by query. A lane is a query's place:
/// lane 16 p + l is the query l of pack p.

#include <cstddef>
#include <cstdint>

namespace leadline::simd {

/// Queries in a pack.
inline constexpr size_t kPackLanes = 16;
/// Values of each of them in a line.
inline constexpr size_t kLineValues = 4;
/// Bytes of a line. Lengths that are multiples of it suit every level; most take shorter steps,
/// TileKernels::step.
inline constexpr size_t kPackedStep = kPackLanes * kLineValues;
inline constexpr size_t kMaxPackedLength = 65'536;

/// Bytes of packed queries of `n` values.
constexpr size_t PackedBytes(size_t packs, size_t n) {
  return packs * n * kPackLanes;
}

/// Sums of `rows` rows with the lanes of `packs` packs, and the two numbers beside each row's code.
struct SumTile {
  const int32_t* sums = nullptr;  ///< [rows x 16 * packs]
  size_t sum_stride = 0;          ///< elements from one row's sums to the next; 16 * packs or more
  size_t rows = 0;
  size_t packs = 0;
  /// The floats `add` and `scale` of table row t lie at terms + t * terms_stride, 4-byte aligned.
  const uint8_t* terms = nullptr;
  size_t terms_stride = 0;
  const uint32_t* ids = nullptr;  ///< [rows] table row of each row; null: row r is table row r
};

/// What turns sums into distances, lane by lane, each [16 * packs]:
///   distance(r, l) = (add[row] + lane add[l])
///                    - scale[row] * multiplier[l] * float(2 * sum(r, l) - offset[l])
/// Integers are taken modulo 2^32, then each operation is rounded to f32 in the order written.
/// Values may be anything that keeps distances from being NaN.
struct TileLanes {
  const float* multiplier = nullptr;
  const int32_t* offset = nullptr;
  const float* add = nullptr;
};

/// A distance within its lane's threshold. `row` counts from the tile's first row.
struct TileHit {
  float distance = 0;
  uint16_t row = 0;
  uint16_t lane = 0;
};

/// Elements that tile_hits may write.
constexpr size_t HitRoom(size_t rows, size_t packs) {
  return (rows * packs + 1) * kPackLanes;
}

/// One instruction-set level. Immutable, thread-safe; no function allocates.
struct TileKernels {
  /// Packs `count` queries, those of the rows ids[i] (null: i) of a table of int8 values `stride`
  /// apart; lanes that are left in the last pack become zeros.
  /// Shapes: packed [ceil(count / 16) packs], on a 64-byte boundary.
  using PackQueries = void (*)(const int8_t* queries, size_t stride, const uint32_t* ids,
                               size_t count, size_t n, int8_t* packed);

  /// out[r * out_stride + 16 p + l]
  ///   = sum over j < n of codes[row(r) * stride + j] * packed[p][j / 4][l][j % 4]
  /// with row(r) = ids[r], or r where `ids` is null.
  /// Shapes: out [row_count x 16 * packs]. Reads nothing beyond the n bytes of a row.
  using PackedSums = void (*)(const uint8_t* codes, size_t stride, const uint32_t* ids,
                              size_t row_count, size_t n, const int8_t* packed, size_t packs,
                              int32_t* out, size_t out_stride);

  /// Writes a hit for each distance(r, l) <= thresholds[l], rows ascending, then lanes ascending;
  /// returns how many. Fast where there are few.
  /// Shapes: thresholds [16 * packs]; hits has room for HitRoom(rows, packs), of which those beyond
  /// the hits may be overwritten. REQUIRES: rows and 16 * packs at most 65,536.
  using TileHits = size_t (*)(const SumTile& tile, const TileLanes& lanes, const float* thresholds,
                              TileHit* hits);

  /// Lowers best[r] to the smallest distance of the row and sets best_lane[r] to first_lane + its
  /// lane, the lowest of equals, where that distance is below best[r]. Tiles in ascending order of
  /// lanes so keep the lowest of all.
  /// Shapes: best, best_lane [rows].
  using TileNearest = void (*)(const SumTile& tile, const TileLanes& lanes, uint32_t first_lane,
                               float* best, uint32_t* best_lane);

  /// out[r * 16 * packs + l] = distance(r, l).
  using TileDistances = void (*)(const SumTile& tile, const TileLanes& lanes, float* out);

  /// What lengths n are multiples of, up to kMaxPackedLength: kLineValues or kPackedStep. Queries
  /// that are shorter are filled up with zeros; what rows hold there does not matter then.
  size_t step;
  PackQueries pack_queries;
  PackedSums packed_sums;
  TileHits tile_hits;
  TileNearest tile_nearest;
  TileDistances tile_distances;

  /// The least length that holds `values` values.
  [[nodiscard]] constexpr size_t LengthOf(size_t values) const {
    return (values + step - 1) / step * step;
  }
};

}  // namespace leadline::simd
