#include "graph_search.h"

#include <algorithm>

namespace leadline::index::hnsw {
namespace {

constexpr size_t kCacheLine = 64;

void PrefetchLinks(const uint32_t* links, size_t width) {
  for (size_t i = 0; i < width; i += kCacheLine / sizeof(uint32_t)) {
    __builtin_prefetch(links + i);
  }
}

/// Layer 0: nodes are rows.
struct BaseLayer {
  const GraphView& graph;

  [[nodiscard]] size_t nodes() const { return graph.rows; }

  [[nodiscard]] size_t width() const { return size_t{2} * graph.m; }

  [[nodiscard]] const uint32_t* LinksOf(uint32_t node) const { return graph.BaseLinks(node); }

  [[nodiscard]] uint32_t RowOf(uint32_t node) const { return node; }

  const uint32_t* RowsOf(const uint32_t* nodes, size_t /*count*/, uint32_t* /*buffer*/) const {
    return nodes;
  }
};

/// A layer above: nodes are upper node numbers.
struct UpperLayer {
  const GraphView& graph;
  uint32_t layer;

  [[nodiscard]] size_t nodes() const { return graph.rows; }

  [[nodiscard]] size_t width() const { return graph.m; }

  [[nodiscard]] const uint32_t* LinksOf(uint32_t node) const {
    return graph.UpperLinks(layer, node);
  }

  [[nodiscard]] uint32_t RowOf(uint32_t node) const { return graph.upper_rows[node]; }

  const uint32_t* RowsOf(const uint32_t* nodes, size_t count, uint32_t* buffer) const {
    for (size_t i = 0; i < count; ++i) {
      buffer[i] = graph.upper_rows[nodes[i]];
    }
    return buffer;
  }
};

}  // namespace

SearchScratch& SearchScratch::OfThread() {
  static thread_local SearchScratch scratch;
  return scratch;
}

template <class Distances>
Key GraphSearch<Distances>::KeyOf(uint32_t node, uint32_t row) {
  float distance = 0;
  distances_.To(&row, 1, &distance);
  ++stats_->distances;
  return MakeKey(distance, node);
}

template <class Distances>
void GraphSearch<Distances>::Measure(const uint32_t* nodes, const uint32_t* rows, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    distances_.Prefetch(rows[i]);
  }
  distances_.To(rows, count, scratch_->distances);
  for (size_t i = 0; i < count; ++i) {
    scratch_->found[i] = MakeKey(scratch_->distances[i], nodes[i]);
  }
  stats_->distances += count;
  ++stats_->hops;
}

template <class Distances>
template <class Layer>
size_t GraphSearch<Distances>::Expand(const Layer& layer, uint32_t node) {
  SearchScratch& scratch = *scratch_;
  const size_t count =
      scratch.visited.InsertNew(layer.LinksOf(node), layer.width(), kNoNode, scratch.fresh);
  const uint32_t* rows = layer.RowsOf(scratch.fresh, count, scratch.fresh_rows);
  Measure(scratch.fresh, rows, count);
  return count;
}

template <class Distances>
template <class Layer>
Result<bool> GraphSearch<Distances>::BestFirst(const Layer& layer, uint32_t entry, size_t ef,
                                               uint32_t target, const CallControl& control) {
  SearchScratch& scratch = *scratch_;
  CandidatePool& pool = scratch.pool;
  scratch.visited.Reset(layer.nodes());
  pool.Reset(ef);
  scratch.visited.Insert(entry);
  scratch.found[0] = KeyOf(entry, layer.RowOf(entry));
  pool.Merge(scratch.found, 1);
  uint64_t next_check = stats_->distances + CallControl::kCheckInterval;
  for (Key key = pool.PopNearest(); key != kWorstKey; key = pool.PopNearest()) {
    if (NodeOf(key) == target) {
      return true;
    }
    const size_t count = Expand(layer, NodeOf(key));
    const size_t entered = pool.Merge(scratch.found, count);
    for (size_t i = 0; i < entered; ++i) {
      PrefetchLinks(layer.LinksOf(NodeOf(scratch.found[i])), layer.width());
    }
    if (stats_->distances >= next_check) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      next_check = stats_->distances + CallControl::kCheckInterval;
    }
  }
  return false;
}

template <class Distances>
uint32_t GraphSearch<Distances>::Descend(uint32_t layer) {
  uint32_t nearest = graph_.entry_node;
  Key best = KeyOf(nearest, graph_.entry_row);
  for (uint32_t l = graph_.upper_layers; l > layer; --l) {
    const UpperLayer upper{graph_, l};
    // Ends because `best` falls with every round, whatever the links say.
    for (bool moved = true; moved;) {
      const uint32_t* links = upper.LinksOf(nearest);
      const auto* end = std::find(links, links + upper.width(), kNoNode);
      const auto count = static_cast<size_t>(end - links);
      Measure(links, upper.RowsOf(links, count, scratch_->fresh_rows), count);
      const Key before = best;
      for (size_t i = 0; i < count; ++i) {
        best = std::min(best, scratch_->found[i]);
      }
      moved = best != before;
      nearest = NodeOf(best);
    }
  }
  return nearest;
}

template <class Distances>
uint32_t GraphSearch<Distances>::FindBaseEntry() {
  return graph_.upper_layers == 0 ? graph_.entry_row : graph_.upper_rows[Descend(0)];
}

template <class Distances>
void GraphSearch<Distances>::SearchUpper(uint32_t layer, uint32_t entry, size_t ef) {
  // Upper layers are small; the caller looks at its control between them.
  BestFirst(UpperLayer{graph_, layer}, entry, ef, kNoNode, CallControl()).status().IgnoreError();
}

template <class Distances>
Status GraphSearch<Distances>::SearchBase(uint32_t entry, size_t ef, const CallControl& control) {
  return BestFirst(BaseLayer{graph_}, entry, ef, kNoNode, control).status();
}

template <class Distances>
Result<bool> GraphSearch<Distances>::SearchBaseFor(uint32_t target, uint32_t entry, size_t ef,
                                                   const CallControl& control) {
  return BestFirst(BaseLayer{graph_}, entry, ef, target, control);
}

template <class Distances>
Result<bool> GraphSearch<Distances>::SearchFiltered(uint32_t entry, size_t ef,
                                                    const WalkBudget& budget,
                                                    const AllowedNodes& admits,
                                                    const CallControl& control) {
  SearchScratch& scratch = *scratch_;
  std::vector<Key>& frontier = scratch.frontier;
  std::vector<Key>& accepted = scratch.accepted;
  frontier.clear();
  accepted.clear();
  scratch.visited.Reset(graph_.rows);
  scratch.visited.Insert(entry);
  const BaseLayer layer{graph_};
  uint64_t met = 0;
  uint64_t admitted = 0;
  const auto offer = [&](Key key) {
    if (accepted.size() == ef && key > accepted.front()) {
      return;
    }
    frontier.push_back(key);
    std::push_heap(frontier.begin(), frontier.end(), std::greater<>());
    PrefetchLinks(layer.LinksOf(NodeOf(key)), layer.width());
    ++met;
    if (admits(NodeOf(key))) {
      ++admitted;
      accepted.push_back(key);
      std::push_heap(accepted.begin(), accepted.end());
      if (accepted.size() > ef) {
        std::pop_heap(accepted.begin(), accepted.end());
        accepted.pop_back();
      }
    }
  };
  offer(KeyOf(entry, entry));
  const uint64_t limit = stats_->distances + budget.distances;
  uint64_t next_check = stats_->distances + CallControl::kCheckInterval;
  while (!frontier.empty() && !(accepted.size() == ef && frontier.front() > accepted.front())) {
    std::pop_heap(frontier.begin(), frontier.end(), std::greater<>());
    const uint32_t node = NodeOf(frontier.back());
    frontier.pop_back();
    const size_t count = Expand(layer, node);
    for (size_t i = 0; i < count; ++i) {
      offer(scratch.found[i]);
    }
    if (stats_->distances > limit || budget.IsInVain(met, admitted)) {
      return false;
    }
    if (stats_->distances >= next_check) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      next_check = stats_->distances + CallControl::kCheckInterval;
    }
  }
  std::sort(accepted.begin(), accepted.end());
  return true;
}

template class GraphSearch<FullDistances>;
template class GraphSearch<CodeDistances>;

}  // namespace leadline::index::hnsw
