#pragma once

#include <cstdint>
#include <vector>

#include "leadline/core/types.h"

namespace leadline::index::hnsw {

/// Rows whose vectors are equal bit for bit to that of an earlier row. Many equal vectors in a
/// graph link to nothing but each other and vanish from it, so only the first of them becomes a
/// node.
struct Duplicates {
  std::vector<uint32_t> rows;   ///< every such row, ordered by node, then by row
  std::vector<uint32_t> nodes;  ///< ascending; the first row with the same vector
};

/// Cost: one hash per row and a sort of the hashes.
Duplicates FindDuplicates(MatrixView vectors);

}  // namespace leadline::index::hnsw
