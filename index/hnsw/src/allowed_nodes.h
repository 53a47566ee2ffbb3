#pragma once

#include <algorithm>
#include <span>

#include "graph_layout.h"
#include "leadline/index/segment_index.h"

namespace leadline::index::hnsw {

/// Rows that share the vector of `row` besides itself, ascending.
inline std::span<const uint32_t> DuplicatesOf(const GraphView& graph, uint32_t row) {
  if (graph.duplicate_count == 0) {
    return {};
  }
  const auto [begin, end] =
      std::equal_range(graph.duplicate_nodes, graph.duplicate_nodes + graph.duplicate_count, row);
  return {graph.duplicate_rows + (begin - graph.duplicate_nodes), static_cast<size_t>(end - begin)};
}

/// Which nodes of layer 0 stand for a row that may be returned.
class AllowedNodes {
 public:
  AllowedNodes(const GraphView& graph, const uint64_t* allowed)
      : graph_(graph), allowed_(allowed) {}

  [[nodiscard]] bool operator()(uint32_t row) const {
    if (IsAllowed(allowed_, row)) {
      return true;
    }
    const std::span<const uint32_t> duplicates = DuplicatesOf(graph_, row);
    return std::any_of(duplicates.begin(), duplicates.end(),
                       [this](uint32_t other) { return IsAllowed(allowed_, other); });
  }

 private:
  const GraphView& graph_;
  const uint64_t* const allowed_;
};

}  // namespace leadline::index::hnsw
