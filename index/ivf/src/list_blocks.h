#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ivf_layout.h"
#include "leadline/core/executor.h"
#include "leadline/core/types.h"
#include "leadline/simd/code_kernels.h"

namespace leadline::index {

/// Rows of lists as 4-bit codes in blocks, which a search scans first. With `sum` what a query's
/// table says of a row's code, the row's distance is about
///   that of the query to the list's base + adds[row] - scales[row] * sum.
/// Points into bytes that must outlive it.
struct ListBlocks {
  MatrixView bases;                   ///< [nlist x dim]: what a list's residuals start from
  size_t lines = 0;                   ///< of 64 bytes in a block
  const float* adds = nullptr;        ///< [blocks x kBlockRows]; null: all 0
  const float* scales = nullptr;      ///< [blocks x kBlockRows]; null: all 1
  const uint8_t* codes = nullptr;     ///< [blocks x block_bytes()]
  std::vector<uint32_t> first_block;  ///< [nlist + 1]: each list starts a block of its own

  [[nodiscard]] size_t block_bytes() const { return lines * simd::kCodeBytes; }

  /// Of codes, terms not counted.
  [[nodiscard]] size_t bytes_per_row() const { return block_bytes() / simd::kBlockRows; }
};

/// Where the blocks of each list start, and behind the last one where they end: [nlist + 1].
std::vector<uint32_t> FirstBlocks(const IvfView& lists);

/// Asks for the row at place i of the lists to be brought to the cache, unless the list ends
/// before.
void PrefetchRow(MatrixView vectors, const IvfView& lists, size_t i, size_t end);
inline constexpr size_t kRowsAhead = 3;

/// The mean of each list's rows; of an empty one, its centroid: [nlist x dim].
std::vector<float> MeansOfLists(MatrixView vectors, const IvfView& lists, Executor* executor);

/// Parts of a section start on boundaries of 64 bytes.
size_t RoundUpToLine(size_t bytes);

bool AllFinite(const float* values, size_t count);

/// True where all of `values` may be means of a vector's values, rounding included.
bool AreMeans(const float* values, size_t count);

}  // namespace leadline::index
