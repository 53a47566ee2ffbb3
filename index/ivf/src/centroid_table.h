#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "byte_rows.h"
#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/packed_lines.h"
#include "leadline/index/segment_index.h"
#include "leadline/simd/level.h"

namespace leadline::index {

/// Rows in bytes and in full.
struct ByteRows {
  const uint8_t* codes = nullptr;         ///< [rows x ByteRowStride(dim)]
  const ByteRowTerms* terms = nullptr;    ///< [rows]
  MatrixView vectors;                     ///< where the rows lie in full
  const uint32_t* vector_rows = nullptr;  ///< [rows] which row of `vectors` each is
};

/// Centroids in bytes, packed as the tile kernels take them. Immutable after Set and FindNear, then
/// thread-safe.
///
/// Nearest means: in squared Euclidean distance, as far as bytes tell rows apart; where their error
/// may matter, above a hundredth of the distance found, full precision decides. Ties by lower
/// number. Equal on any number of threads, for any split of the rows and at every SIMD level.
class CentroidTable {
 public:
  /// Rows that pass over the centroids together, and packs of centroids that lie in a tile with
  /// them: the tile's sums stay in the first-level cache.
  static constexpr size_t kTileRows = 24;
  static constexpr size_t kTilePacks = 16;

  /// Room to work in, one for each thread.
  struct Scratch {
    std::vector<int32_t> sums = std::vector<int32_t>(kTileRows * kTilePacks * simd::kPackLanes);
    PackedLines packed;
    std::vector<float> multipliers;
    std::vector<int32_t> offsets;
    std::vector<float> norms;
  };

  /// Both must outlive the table. `centre` [dim] is that of the rows.
  void Set(MatrixView centroids, const float* centre);

  /// Finds for each centroid the `count` nearest ones, itself among them.
  /// Errors: kCancelled, kDeadlineExceeded, kResourceExhausted.
  Status FindNear(size_t count, Executor* executor, const CallControl& control);

  /// Finds the nearest centroid of each of the rows `first` to first + count. Looks at `control`
  /// for each tile. Shapes: nearest [count]. Errors: kCancelled, kDeadlineExceeded.
  Status FindNearest(const ByteRows& rows, size_t first, size_t count, const CallControl& control,
                     Scratch* scratch, Neighbor* nearest) const;

  /// The same among the centroids near to `centroid`, after FindNear: nearest[row] of each of
  /// `listed`. Shapes: nearest [rows].
  Status FindNearestAround(uint32_t centroid, const ByteRows& rows,
                           std::span<const uint32_t> listed, const CallControl& control,
                           Scratch* scratch, Neighbor* nearest) const;

 private:
  void EncodePack(size_t pack);
  Status FindNearOf(size_t first, size_t count, const CallControl& control);
  void Prefetch(const ByteRows& rows, std::span<const uint32_t> next) const;
  void SetLanes(std::span<const uint32_t> near, Scratch* scratch) const;
  Status Settle(const ByteRows& rows, size_t row, std::span<const uint32_t> among,
                const CallControl& control, Neighbor* nearest) const;

  MatrixView centroids_;
  const float* centre_ = nullptr;
  size_t stride_ = 0;
  size_t length_ = 0;  ///< bytes of a row that kernels look at
  size_t packs_ = 0;
  float error_ = 0;              ///< largest error of a centroid
  std::vector<int8_t> numbers_;  ///< [centroids x stride]
  PackedLines packed_;
  std::vector<float> multipliers_;
  std::vector<int32_t> offsets_;
  std::vector<float> norms_;
  size_t near_count_ = 0;
  std::vector<uint32_t> near_;  ///< [centroids x near_count_], each row ascending
};

}  // namespace leadline::index
