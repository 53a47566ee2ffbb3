#pragma once

#include <cstdint>
#include <span>

#include "leadline/index/segment_index.h"
#include "leadline/index/top_k.h"
#include "leadline/simd/distance.h"

namespace leadline::index {

/// Asks for the start of each of `rows` to be brought to the cache: what RescoreRows does first,
/// for who knows them earlier. REQUIRES: every row < vectors.rows.
void PrefetchRows(MatrixView vectors, std::span<const uint32_t> rows);

/// Offers the listed rows, found by their codes, to `top` with their distances in full precision:
/// the bits every exact scan gives. Reads the rows ahead of time, since they lie anywhere in the
/// mapped file; adds to stats->distances and stats->rescored.
/// REQUIRES: every row < vectors.rows. Cost: one distance a row; no allocation.
void RescoreRows(const simd::MetricDistance& distance, MatrixView vectors, const float* query,
                 std::span<const uint32_t> rows, TopK* top, SearchStats* stats);

}  // namespace leadline::index
