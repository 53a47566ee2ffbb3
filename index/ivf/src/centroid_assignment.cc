#include "centroid_assignment.h"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

namespace leadline::index {
namespace {

/// Rows that go through the centroids together.
constexpr size_t kBlockRows = 256;
constexpr size_t kMaxTileRows = 256;

/// Centroids that stay in the second-level cache while a block of rows passes over them.
size_t TileRows(size_t dim) {
  constexpr size_t kTileFloats = (size_t{256} << 10) / sizeof(float);
  return std::clamp<size_t>(kTileFloats / dim, 4, kMaxTileRows);
}

Status AssignBlock(MatrixView rows, MatrixView centroids, const simd::MetricDistance& distance,
                   const CallControl& control, std::span<Neighbor> nearest) {
  std::array<float, kMaxTileRows> distances{};
  std::fill(nearest.begin(), nearest.end(), Neighbor{std::numeric_limits<float>::infinity(), 0});
  size_t unchecked = CallControl::kCheckInterval;
  const size_t tile = TileRows(rows.dim);
  for (size_t begin = 0; begin < centroids.rows; begin += tile) {
    const size_t count = std::min(tile, centroids.rows - begin);
    for (size_t row = 0; row < rows.rows; ++row) {
      if (unchecked + count > CallControl::kCheckInterval) {
        LEADLINE_RETURN_IF_ERROR(control.Check());
        unchecked = 0;
      }
      unchecked += count;
      distance.Rows(rows.row(row).data(), centroids.row(begin).data(), count, distances.data());
      for (size_t i = 0; i < count; ++i) {
        nearest[row] =
            std::min(nearest[row], Neighbor{distances[i], static_cast<uint32_t>(begin + i)});
      }
    }
  }
  return {};
}

}  // namespace

Status AssignToCentroids(MatrixView rows, MatrixView centroids,
                         const simd::MetricDistance& distance, Executor* executor,
                         const CallControl& control, std::span<Neighbor> nearest) {
  const size_t blocks = (rows.rows + kBlockRows - 1) / kBlockRows;
  std::vector<Status> statuses(blocks);
  ParallelFor(executor, blocks, [&](size_t b) {
    const size_t begin = b * kBlockRows;
    const size_t count = std::min(kBlockRows, rows.rows - begin);
    statuses[b] = AssignBlock({rows.row(begin).data(), count, rows.dim}, centroids, distance,
                              control, nearest.subspan(begin, count));
  });
  Status failed;
  for (Status& status : statuses) {
    if (!status.ok() && failed.ok()) {
      failed = std::move(status);
    }
  }
  return failed;
}

}  // namespace leadline::index
