#include "graph_repair.h"

#include <algorithm>
#include <array>
#include <vector>

#include "build_parallel.h"
#include "graph_search.h"

namespace leadline::index::hnsw {
namespace {

/// Replacing a link may cut another node off, so passes repeat; one is nearly always enough.
constexpr int kMaxPasses = 8;
/// A node that a search this narrow misses gets one more link.
constexpr size_t kSelfSearchEf = 32;
/// Nodes searched in parallel before links are written.
constexpr size_t kRepairBlock = 4096;
/// Nearest nodes remembered as possible givers of a link.
constexpr size_t kGivers = 8;

using Givers = std::array<uint32_t, kGivers>;

size_t ListLength(const GraphView& view, uint32_t node) {
  const uint32_t* links = view.BaseLinks(node);
  return static_cast<size_t>(std::find(links, links + size_t{2} * view.m, kNoNode) - links);
}

/// The longest link of a node with a full list: the one to give up.
template <class Space>
size_t LongestLink(const GraphUnderRepair& graph, const Space& space, uint32_t node) {
  const uint32_t* links = graph.view.BaseLinks(node);
  const size_t width = size_t{2} * graph.view.m;
  SearchScratch& scratch = SearchScratch::OfThread();
  space.Around(node, &scratch).To(links, width, scratch.distances);
  size_t longest = 0;
  Key worst = 0;
  for (size_t i = 0; i < width; ++i) {
    const Key key = MakeKey(scratch.distances[i], links[i]);
    if (key > worst) {
      worst = key;
      longest = i;
    }
  }
  return longest;
}

/// Links `node` from the first of `givers` (ended by kNoNode) with room; returns false when a link
/// of the first had to make way.
template <class Space>
bool LinkFrom(const GraphUnderRepair& graph, const Space& space, std::span<const uint32_t> givers,
              uint32_t node) {
  const size_t width = size_t{2} * graph.view.m;
  for (const uint32_t giver : givers) {
    const size_t length = giver == kNoNode ? width : ListLength(graph.view, giver);
    if (length < width) {
      graph.layer0[giver * width + length] = node;
      return true;
    }
  }
  graph.layer0[givers[0] * width + LongestLink(graph, space, givers[0])] = node;
  return false;
}

/// Marks everything that can be reached from `start` in `reached`.
void Flood(const GraphView& view, uint32_t start, std::vector<bool>* reached) {
  std::vector<uint32_t> stack = {start};
  (*reached)[start] = true;
  while (!stack.empty()) {
    const uint32_t node = stack.back();
    stack.pop_back();
    const uint32_t* links = view.BaseLinks(node);
    for (size_t i = 0; i < size_t{2} * view.m && links[i] != kNoNode; ++i) {
      if (!(*reached)[links[i]]) {
        (*reached)[links[i]] = true;
        stack.push_back(links[i]);
      }
    }
  }
}

/// Searches for `node`; where it is missed, the nearest nodes met go to `givers`, else kNoNode.
template <class Space>
Status FindItself(const GraphUnderRepair& graph, const Space& space, uint32_t node,
                  Givers* givers) {
  givers->fill(kNoNode);
  SearchScratch& scratch = SearchScratch::OfThread();
  SearchStats stats;
  const auto distances = space.From(node, &scratch);
  GraphSearch search(graph.view, distances, &scratch, &stats);
  LEADLINE_ASSIGN_OR_RETURN(const bool found, search.SearchBaseFor(node, search.FindBaseEntry(),
                                                                   kSelfSearchEf, graph.control));
  for (size_t i = 0; !found && i < std::min(kGivers, scratch.pool.size()); ++i) {
    (*givers)[i] = NodeOf(scratch.pool[i]);
  }
  return {};
}

}  // namespace

template <class Space>
Status LinkLostNodes(const GraphUnderRepair& graph, const Space& space, Executor* executor) {
  std::vector<Givers> givers(std::min(kRepairBlock, graph.nodes.size()));
  for (size_t begin = 0; begin < graph.nodes.size(); begin += kRepairBlock) {
    LEADLINE_RETURN_IF_ERROR(graph.control.Check());
    const size_t count = std::min(kRepairBlock, graph.nodes.size() - begin);
    LEADLINE_RETURN_IF_ERROR(ForEachInParallel(executor, count, [&](size_t i) {
      return FindItself(graph, space, graph.nodes[begin + i], &givers[i]);
    }));
    for (size_t i = 0; i < count; ++i) {
      if (givers[i][0] != kNoNode) {
        LinkFrom(graph, space, givers[i], graph.nodes[begin + i]);
      }
    }
  }
  return {};
}

template <class Space>
Status LinkUnreachableNodes(const GraphUnderRepair& graph, const Space& space, size_t ef) {
  bool whole = graph.nodes.empty();
  for (int pass = 0; pass < kMaxPasses && !whole; ++pass) {
    whole = true;
    std::vector<bool> reached(graph.view.rows);
    Flood(graph.view, graph.view.entry_row, &reached);
    for (const uint32_t node : graph.nodes) {
      if (reached[node]) {
        continue;
      }
      LEADLINE_RETURN_IF_ERROR(graph.control.Check());
      SearchScratch& scratch = SearchScratch::OfThread();
      SearchStats stats;
      const auto distances = space.From(node, &scratch);
      GraphSearch search(graph.view, distances, &scratch, &stats);
      // Walks layer 0 from the entry point only: whatever it meets is reached.
      LEADLINE_RETURN_IF_ERROR(search.SearchBase(graph.view.entry_row, ef, graph.control));
      std::vector<uint32_t> givers;
      for (size_t i = 0; i < scratch.pool.size(); ++i) {
        givers.push_back(NodeOf(scratch.pool[i]));
      }
      whole = LinkFrom(graph, space, givers, node) && whole;
      Flood(graph.view, node, &reached);
    }
  }
  return {};
}

template Status LinkLostNodes(const GraphUnderRepair&, const FullSpace&, Executor*);
template Status LinkLostNodes(const GraphUnderRepair&, const CodeSpace&, Executor*);
template Status LinkUnreachableNodes(const GraphUnderRepair&, const FullSpace&, size_t);
template Status LinkUnreachableNodes(const GraphUnderRepair&, const CodeSpace&, size_t);

}  // namespace leadline::index::hnsw
