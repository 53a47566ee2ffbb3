#pragma once

#include "leadline/index/segment_index.h"

namespace leadline::index {

/// Persisted type of the section this kind always writes (byte layout: src/graph_layout.h).
inline constexpr uint32_t kHnswGraphSection = 32;
/// Those of the codes of rows beside it, where the build was asked for codes
/// (leadline/index/row_codes.h), and with pca8 of the axes these are along
/// (leadline/index/principal_axes.h).
inline constexpr uint32_t kHnswCodesSection = 48;
inline constexpr uint32_t kHnswAxesSection = 50;

/// The HNSW kind: a navigable small-world graph over f32 vectors or codes of them.
///
/// Build:   the same graph for equal inputs and seed on any number of threads. In full precision,
///          and for kInnerProduct, points enter in rounds that only read what earlier rounds wrote;
///          with codes, layer 0 is linked at once by comparing cells of neighbours, which costs a
///          quarter of that (docs/decisions/0017-layer-by-cells.md). Rows with equal vectors share
///          one node. Every row can be reached from the entry point, and for kL2 and kCosine nearly
///          every row finds itself. Options: m in [kMinM, kMaxM],
///          ef_construction in [1, kMaxEfConstruction], at most 2^31 - 1 rows. Memory: 8 * m bytes
///          a row; with codes, while it builds, as much again and dim bytes a row, with pca8 5
///          bytes for each axis and row.
/// Search:  greedy descent, then best-first with a sorted pool of max(ef_search, k) candidates.
///          Disallowed rows are walked through, never returned; where the filter leaves so few rows
///          that walking costs more than looking at each of them, it looks at each of them. So
///          min(k, allowed rows) neighbours always come back.
///          On codes (sq8, sq4, bf16, pca8) the walk sees codes alone; of what it ends with, the
///          nearest max(k, rescore) are compared in full precision (default: kind's own multiple of
///          k). Distances are those of the exact scan, to the bit.
/// Source:  Malkov & Yashunin 2016, alg. 1-5 (selection without extension or fill); rounds after
///          Dobson et al. 2024 (ParlayANN), prefix-doubling batch insertion. Why FAISS does not
///          build the graph: docs/decisions/0004-own-hnsw-builder.md.
const IndexFactory& HnswIndexFactory();

}  // namespace leadline::index
