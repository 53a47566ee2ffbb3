#include "layer_links.h"

#include <algorithm>

#include "neighbor_selection.h"
#include "row_space.h"

namespace leadline::index::hnsw {

std::span<const uint32_t> LayerLinks::Of(uint32_t node) const {
  const uint32_t* list = ListOf(node);
  return {list, std::find(list, list + width, kNoNode)};
}

void LayerLinks::Write(uint32_t node, std::span<const Key> neighbors) const {
  uint32_t* const list = ListOf(node);
  uint32_t* const end = std::transform(neighbors.begin(), neighbors.end(), list, NodeOf);
  std::fill(end, list + width, kNoNode);
}

template <class Space>
void AddLinks(const Space& space, const LayerLinks& layer, uint32_t target,
              std::span<const uint32_t> sources, SearchScratch* scratch) {
  const std::span<const uint32_t> present = layer.Of(target);
  std::vector<uint32_t>& nodes = scratch->candidates;
  nodes.assign(present.begin(), present.end());
  for (const uint32_t source : sources) {
    if (std::find(present.begin(), present.end(), source) == present.end()) {
      nodes.push_back(source);
    }
  }
  if (nodes.size() <= layer.width) {
    std::copy(nodes.begin(), nodes.end(), layer.ListOf(target));
    return;
  }
  std::vector<Key>& candidates = scratch->selection;
  candidates.clear();
  const auto distances = space.Around(layer.RowOf(target), scratch);
  for (size_t begin = 0; begin < nodes.size(); begin += SearchScratch::kMostLinks) {
    const size_t count = std::min(SearchScratch::kMostLinks, nodes.size() - begin);
    for (size_t i = 0; i < count; ++i) {
      scratch->fresh_rows[i] = layer.RowOf(nodes[begin + i]);
    }
    distances.To(scratch->fresh_rows, count, scratch->distances);
    for (size_t i = 0; i < count; ++i) {
      candidates.push_back(MakeKey(scratch->distances[i], nodes[begin + i]));
    }
  }
  std::sort(candidates.begin(), candidates.end());
  SelectNeighbors(space, layer.node_rows, layer.width, scratch, &candidates);
  layer.Write(target, candidates);
}

template void AddLinks(const FullSpace&, const LayerLinks&, uint32_t, std::span<const uint32_t>,
                       SearchScratch*);
template void AddLinks(const CodeSpace&, const LayerLinks&, uint32_t, std::span<const uint32_t>,
                       SearchScratch*);

}  // namespace leadline::index::hnsw
