#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "candidate_pool.h"
#include "leadline/index/candidate_buffer.h"
#include "leadline/index/packed_lines.h"
#include "leadline/index/row_codes.h"
#include "leadline/simd/tile_kernels.h"

namespace leadline::index::hnsw {

/// Finds the nearest rows of a table of sq8 codes to many rows of it at once, by products of tiles.
/// Squared Euclidean distances of codes: not for kInnerProduct. Equal at every SIMD level.
/// Borrows the table; thread-compatible; keeps its memory from one use to the next.
class TileSearch {
 public:
  /// Rows that are searched for together.
  static constexpr size_t kMostLanes = 256;

  TileSearch(const RowCodes& codes, size_t dim);

  /// Begins a search for the `keep` nearest to each of `rows`.
  /// REQUIRES: 1 <= rows.size() <= kMostLanes, keep >= 1.
  void Start(std::span<const uint32_t> rows, size_t keep);

  /// Compares with these rows of the table, which were not offered before. Ones near to many of
  /// the rows searched for had better come first.
  void Offer(std::span<const uint32_t> rows);

  /// Copies what lane `lane`, rows[lane] of Start, has found to `nearest`: ascending keys with rows
  /// as nodes, itself among them where it was offered. Once for each lane.
  void Take(size_t lane, std::vector<Key>* nearest);

 private:
  /// Rows of a tile: its sums stay in the first-level cache.
  static constexpr size_t kTileRows = 24;

  const RowCodes& codes_;
  const simd::TileKernels& kernels_;
  const size_t length_;  ///< of a row in the kernels' terms
  RowQuery query_;
  std::vector<int8_t> numbers_;  ///< [lanes x length]
  PackedLines packed_;
  std::vector<float> multipliers_;  ///< of each lane, as all that follows
  std::vector<int32_t> offsets_;
  std::vector<float> adds_;
  std::vector<float> thresholds_;
  std::vector<CandidateBuffer> found_;
  size_t packs_ = 0;
  std::vector<int32_t> sums_;
  std::vector<simd::TileHit> hits_;
};

}  // namespace leadline::index::hnsw
