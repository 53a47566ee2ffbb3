#include "list_blocks.h"

#include <algorithm>
#include <cmath>

#include "leadline/core/round_up.h"

namespace leadline::index {

std::vector<uint32_t> FirstBlocks(const IvfView& lists) {
  std::vector<uint32_t> first(lists.offsets.size());
  for (size_t l = 0; l + 1 < lists.offsets.size(); ++l) {
    const size_t rows = lists.offsets[l + 1] - lists.offsets[l];
    first[l + 1] =
        first[l] + static_cast<uint32_t>((rows + simd::kBlockRows - 1) / simd::kBlockRows);
  }
  return first;
}

void PrefetchRow(MatrixView vectors, const IvfView& lists, size_t i, size_t end) {
  if (i < end) {
    const float* row = vectors.row(lists.row_ids[i]).data();
    for (size_t d = 0; d < vectors.dim; d += 64 / sizeof(float)) {
      __builtin_prefetch(row + d);
    }
  }
}

std::vector<float> MeansOfLists(MatrixView vectors, const IvfView& lists, Executor* executor) {
  const size_t dim = vectors.dim;
  std::vector<float> means(lists.centroids.rows * dim);
  ParallelFor(executor, lists.centroids.rows, [&](size_t l) {
    float* mean = means.data() + l * dim;
    const size_t begin = lists.offsets[l];
    const size_t end = lists.offsets[l + 1];
    if (begin == end) {
      std::copy_n(lists.centroids.row(l).data(), dim, mean);
      return;
    }
    // Sums of at most 2^32 rows of 1e15 stay far from the largest float.
    for (size_t i = begin; i < end; ++i) {
      PrefetchRow(vectors, lists, i + kRowsAhead, end);
      const float* row = vectors.row(lists.row_ids[i]).data();
      for (size_t d = 0; d < dim; ++d) {
        mean[d] += row[d];
      }
    }
    for (size_t d = 0; d < dim; ++d) {
      mean[d] /= static_cast<float>(end - begin);
    }
  });
  return means;
}

size_t RoundUpToLine(size_t bytes) {
  return RoundUp(bytes, simd::kCodeBytes);
}

bool AllFinite(const float* values, size_t count) {
  return std::all_of(values, values + count, [](float value) { return std::isfinite(value); });
}

bool AreMeans(const float* values, size_t count) {
  return std::all_of(values, values + count,
                     [](float value) { return std::fabs(value) <= 2 * kMaxComponent; });
}

}  // namespace leadline::index
