#include "neighbor_selection.h"

#include <algorithm>

#include "graph_layout.h"

namespace leadline::index::hnsw {
namespace {

/// Drops those of candidates[begin, end) that the chosen candidate before them covers; returns
/// where the others, still in order, end.
template <class Space>
size_t DropCovered(const Space& space, const uint32_t* node_rows, size_t begin, size_t end,
                   SearchScratch* scratch, Key* candidates) {
  const auto row_of = [node_rows](Key key) {
    return node_rows == nullptr ? NodeOf(key) : node_rows[NodeOf(key)];
  };
  const auto around = space.Around(row_of(candidates[begin - 1]), scratch);
  size_t left = begin;
  for (size_t first = begin; first < end; first += SearchScratch::kMostLinks) {
    const size_t count = std::min(SearchScratch::kMostLinks, end - first);
    for (size_t i = 0; i < count; ++i) {
      scratch->fresh_rows[i] = row_of(candidates[first + i]);
    }
    around.To(scratch->fresh_rows, count, scratch->distances);
    for (size_t i = 0; i < count; ++i) {
      const Key key = candidates[first + i];
      candidates[left] = key;
      left += scratch->distances[i] < space.Covering(DistanceOf(key)) ? 0U : 1U;
    }
  }
  return left;
}

}  // namespace

template <class Space>
void SelectNeighbors(const Space& space, const uint32_t* node_rows, size_t max_links,
                     SearchScratch* scratch, std::vector<Key>* candidates) {
  size_t end = candidates->size();
  size_t chosen = 0;
  while (chosen < std::min(end, max_links)) {
    ++chosen;
    if (chosen < max_links) {
      end = DropCovered(space, node_rows, chosen, end, scratch, candidates->data());
    }
  }
  candidates->resize(chosen);
}

template void SelectNeighbors(const FullSpace&, const uint32_t*, size_t, SearchScratch*,
                              std::vector<Key>*);
template void SelectNeighbors(const CodeSpace&, const uint32_t*, size_t, SearchScratch*,
                              std::vector<Key>*);

}  // namespace leadline::index::hnsw
