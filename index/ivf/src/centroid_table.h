#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "byte_rows.h"
#include "leadline/core/call_control.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/segment_index.h"
#include "leadline/simd/level.h"

namespace leadline::index {

/// Some rows, in bytes and in full.
struct ByteRowBlock {
  const uint8_t* codes = nullptr;  ///< [terms.size() x ByteRowStride(dim)]
  std::span<const ByteRowTerms> terms;
  MatrixView vectors;             ///< where the rows lie in full
  const uint32_t* ids = nullptr;  ///< [terms.size()] rows of `vectors`
};

/// Centroids in bytes, packed as the tile kernels take them. Immutable after Set, then thread-safe.
class CentroidTable {
 public:
  /// Rows that pass over the centroids together, and centroids that lie in a tile with them.
  static constexpr size_t kTileRows = 64;
  static constexpr size_t kTilePacks = 8;
  static constexpr size_t kTileSums = kTileRows * kTilePacks * simd::kPackLanes;

  /// Both must outlive the table. `centre` [dim] is that of the rows.
  void Set(MatrixView centroids, const float* centre);

  /// Finds the nearest centroid of each row in squared Euclidean distance, as far as bytes tell
  /// rows apart: where their error may matter, within a hundredth of the distance found, full
  /// precision decides. Ties by lower number. Equal on any number of threads, for any split into
  /// blocks and at every SIMD level. Looks at `control` after at most kTileSums sums or 1,024
  /// distances. Shapes: at most kTileRows rows, sums [kTileSums], nearest [rows].
  /// Errors: kCancelled, kDeadlineExceeded.
  Status FindNearest(const ByteRowBlock& block, const simd::TileKernels& kernels,
                     const CallControl& control, int32_t* sums, Neighbor* nearest) const;

 private:
  /// One line of a pack.
  struct alignas(64) Line {
    int8_t values[64];
  };

  void EncodePack(size_t pack);
  Status FindExactly(const float* row, const CallControl& control, Neighbor* nearest) const;

  MatrixView centroids_;
  const float* centre_ = nullptr;
  size_t stride_ = 0;
  size_t packs_ = 0;
  float error_ = 0;  ///< largest error of a centroid
  std::vector<Line> packed_;
  std::vector<float> multipliers_;
  std::vector<int32_t> offsets_;
  std::vector<float> norms_;
};

}  // namespace leadline::index
