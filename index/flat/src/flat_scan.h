#pragma once

#include <cstddef>
#include <cstdint>

#include "leadline/index/segment_index.h"
#include "leadline/index/top_k.h"
#include "leadline/simd/distance.h"

namespace leadline::index {

/// Rows per kernel call: one word of an `allowed` bitmap.
inline constexpr size_t kScanBlockRows = 64;

/// Offers the allowed rows [begin, end) of `vectors`; `begin` is a multiple of kScanBlockRows and
/// `allowed` counts from row 0 of `vectors`.
void ScanTile(const simd::MetricDistance& distance, MatrixView vectors, const float* query,
              const uint64_t* allowed, uint32_t first_row_number, size_t begin, size_t end,
              TopK* top, SearchStats* stats);

/// Rows of `dim` floats that several queries should scan before moving on; a multiple of
/// kScanBlockRows, at most CallControl::kCheckInterval.
size_t ScanTileRows(size_t dim);

}  // namespace leadline::index
