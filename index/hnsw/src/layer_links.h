#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "candidate_pool.h"
#include "graph_search.h"

namespace leadline::index::hnsw {

/// One layer's links while they are written. Lists of different nodes may be written by different
/// threads.
struct LayerLinks {
  uint32_t* links = nullptr;
  size_t width = 0;
  const uint32_t* node_rows = nullptr;  ///< null: nodes are rows

  [[nodiscard]] uint32_t* ListOf(uint32_t node) const { return links + node * width; }

  [[nodiscard]] uint32_t RowOf(uint32_t node) const {
    return node_rows == nullptr ? node : node_rows[node];
  }

  /// The links that are there.
  [[nodiscard]] std::span<const uint32_t> Of(uint32_t node) const;

  /// Makes these the links of `node`. REQUIRES: at most `width`.
  void Write(uint32_t node, std::span<const Key> neighbors) const;
};

/// Adds links from `target` to those of `sources` that it lacks; where they do not fit, chooses
/// anew among old and new ones. `Space` is FullSpace or CodeSpace.
template <class Space>
void AddLinks(const Space& space, const LayerLinks& layer, uint32_t target,
              std::span<const uint32_t> sources, SearchScratch* scratch);

}  // namespace leadline::index::hnsw
