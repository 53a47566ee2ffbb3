#include "duplicates.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "leadline/core/hash.h"

namespace leadline::index::hnsw {

Duplicates FindDuplicates(MatrixView vectors) {
  const size_t row_bytes = vectors.dim * sizeof(float);
  std::vector<std::pair<uint64_t, uint32_t>> hashes(vectors.rows);
  for (uint32_t row = 0; row < vectors.rows; ++row) {
    hashes[row] = {Hash64(vectors.row(row).data(), row_bytes), row};
  }
  std::sort(hashes.begin(), hashes.end());
  const auto equal = [&](uint32_t a, uint32_t b) {
    return std::memcmp(vectors.row(a).data(), vectors.row(b).data(), row_bytes) == 0;
  };
  std::vector<std::pair<uint32_t, uint32_t>> found;  // node, row
  std::vector<uint32_t> firsts;                      // distinct vectors of one hash
  for (size_t i = 0; i < hashes.size(); ++i) {
    if (i == 0 || hashes[i].first != hashes[i - 1].first) {
      firsts.clear();
    }
    const uint32_t row = hashes[i].second;
    const auto same = std::find_if(firsts.begin(), firsts.end(),
                                   [&](uint32_t first) { return equal(first, row); });
    if (same == firsts.end()) {
      firsts.push_back(row);
    } else {
      found.emplace_back(*same, row);
    }
  }
  std::sort(found.begin(), found.end());
  Duplicates duplicates;
  for (const auto& [node, row] : found) {
    duplicates.nodes.push_back(node);
    duplicates.rows.push_back(row);
  }
  return duplicates;
}

}  // namespace leadline::index::hnsw
