#include "graph_search.h"

#include <algorithm>

namespace leadline::index::hnsw {
namespace {

constexpr size_t kCacheLine = 64;
/// Vectors up to this many lines are fetched whole before their distances are computed; of longer
/// ones the first two, the hardware follows (fetching all of 49 lines was slower than none).
constexpr size_t kWholeVectorLines = 8;
constexpr size_t kLongVectorLines = 2;
/// Links are fetched for nodes that enter the pool this near to the cursor.
constexpr size_t kLinkPrefetchRanks = 4;

void PrefetchLines(const void* address, size_t lines) {
  const char* p = static_cast<const char*>(address);
  for (size_t i = 0; i < lines; ++i) {
    __builtin_prefetch(p + i * kCacheLine);
  }
}

/// Layer 0: nodes are rows.
struct BaseLayer {
  const GraphView& graph;

  [[nodiscard]] size_t nodes() const { return graph.rows; }

  [[nodiscard]] size_t width() const { return size_t{2} * graph.m; }

  [[nodiscard]] const uint32_t* LinksOf(uint32_t node) const { return graph.BaseLinks(node); }

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

void GraphSearch::PrefetchVectors(const uint32_t* rows, size_t count) const {
  const size_t dim = distance_.dim();
  const size_t vector_lines = (dim * sizeof(float) + kCacheLine - 1) / kCacheLine;
  const size_t lines = vector_lines <= kWholeVectorLines ? vector_lines : kLongVectorLines;
  for (size_t i = 0; i < count; ++i) {
    PrefetchLines(vectors_ + rows[i] * dim, lines);
  }
}

float GraphSearch::DistanceTo(uint32_t row) {
  ++stats_->distances;
  return distance_.Pair(query_, vectors_ + row * distance_.dim());
}

template <class Layer>
size_t GraphSearch::Expand(const Layer& layer, uint32_t node) {
  SearchScratch& scratch = *scratch_;
  const size_t count =
      scratch.visited.InsertNew(layer.LinksOf(node), layer.width(), kNoNode, scratch.fresh);
  const uint32_t* rows = layer.RowsOf(scratch.fresh, count, scratch.fresh_rows);
  PrefetchVectors(rows, count);
  distance_.Gather(query_, vectors_, rows, count, scratch.distances);
  stats_->distances += count;
  ++stats_->hops;
  return count;
}

template <class Layer>
Result<bool> GraphSearch::BestFirst(const Layer& layer, uint32_t entry, size_t ef, uint32_t target,
                                    const CallControl& control) {
  SearchScratch& scratch = *scratch_;
  CandidatePool& pool = scratch.pool;
  scratch.visited.Reset(layer.nodes());
  pool.Reset(ef);
  scratch.visited.Insert(entry);
  uint32_t entry_row = 0;
  entry_row = *layer.RowsOf(&entry, 1, &entry_row);
  pool.Insert(MakeKey(DistanceTo(entry_row), entry));
  uint64_t next_check = stats_->distances + CallControl::kCheckInterval;
  for (Key key = pool.PopNearest(); key != kWorstKey; key = pool.PopNearest()) {
    if (NodeOf(key) == target) {
      return true;
    }
    const size_t count = Expand(layer, NodeOf(key));
    for (size_t i = 0; i < count; ++i) {
      const Key found = MakeKey(scratch.distances[i], scratch.fresh[i]);
      if (found < pool.worst() && pool.Insert(found) < kLinkPrefetchRanks) {
        PrefetchLines(layer.LinksOf(scratch.fresh[i]),
                      layer.width() * sizeof(uint32_t) / kCacheLine + 1);
      }
    }
    if (stats_->distances >= next_check) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      next_check = stats_->distances + CallControl::kCheckInterval;
    }
  }
  return false;
}

uint32_t GraphSearch::Descend(uint32_t layer) {
  uint32_t nearest = graph_.entry_node;
  Key best = MakeKey(DistanceTo(graph_.entry_row), nearest);
  for (uint32_t l = graph_.upper_layers; l > layer; --l) {
    const UpperLayer upper{graph_, l};
    // Ends because `best` falls with every round, whatever the links say.
    for (bool moved = true; moved;) {
      moved = false;
      const uint32_t* links = upper.LinksOf(nearest);
      const auto* end = std::find(links, links + upper.width(), kNoNode);
      const auto count = static_cast<size_t>(end - links);
      const uint32_t* rows = upper.RowsOf(links, count, scratch_->fresh_rows);
      PrefetchVectors(rows, count);
      distance_.Gather(query_, vectors_, rows, count, scratch_->distances);
      stats_->distances += count;
      ++stats_->hops;
      for (size_t i = 0; i < count; ++i) {
        const Key key = MakeKey(scratch_->distances[i], links[i]);
        if (key < best) {
          best = key;
          moved = true;
        }
      }
      nearest = NodeOf(best);
    }
  }
  return nearest;
}

uint32_t GraphSearch::FindBaseEntry() {
  return graph_.upper_layers == 0 ? graph_.entry_row : graph_.upper_rows[Descend(0)];
}

void GraphSearch::SearchUpper(uint32_t layer, uint32_t entry, size_t ef) {
  // Upper layers are small; the caller looks at its control between them.
  BestFirst(UpperLayer{graph_, layer}, entry, ef, kNoNode, CallControl()).status().IgnoreError();
}

Status GraphSearch::SearchBase(uint32_t entry, size_t ef, const CallControl& control) {
  return BestFirst(BaseLayer{graph_}, entry, ef, kNoNode, control).status();
}

Result<bool> GraphSearch::SearchBaseFor(uint32_t target, uint32_t entry, size_t ef,
                                        const CallControl& control) {
  return BestFirst(BaseLayer{graph_}, entry, ef, target, control);
}

Result<bool> GraphSearch::SearchFiltered(uint32_t entry, size_t ef, uint64_t max_distances,
                                         const AllowedNodes& admits, const CallControl& control) {
  SearchScratch& scratch = *scratch_;
  std::vector<Key>& frontier = scratch.frontier;
  std::vector<Key>& accepted = scratch.accepted;
  frontier.clear();
  accepted.clear();
  scratch.visited.Reset(graph_.rows);
  scratch.visited.Insert(entry);
  const BaseLayer layer{graph_};
  const auto offer = [&](Key key) {
    if (accepted.size() == ef && key > accepted.front()) {
      return;
    }
    frontier.push_back(key);
    std::push_heap(frontier.begin(), frontier.end(), std::greater<>());
    if (admits(NodeOf(key))) {
      accepted.push_back(key);
      std::push_heap(accepted.begin(), accepted.end());
      if (accepted.size() > ef) {
        std::pop_heap(accepted.begin(), accepted.end());
        accepted.pop_back();
      }
    }
  };
  offer(MakeKey(DistanceTo(entry), entry));
  const uint64_t limit = stats_->distances + max_distances;
  uint64_t next_check = stats_->distances + CallControl::kCheckInterval;
  while (!frontier.empty() && !(accepted.size() == ef && frontier.front() > accepted.front())) {
    std::pop_heap(frontier.begin(), frontier.end(), std::greater<>());
    const uint32_t node = NodeOf(frontier.back());
    frontier.pop_back();
    const size_t count = Expand(layer, node);
    for (size_t i = 0; i < count; ++i) {
      offer(MakeKey(scratch.distances[i], scratch.fresh[i]));
    }
    if (stats_->distances > limit) {
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

}  // namespace leadline::index::hnsw
