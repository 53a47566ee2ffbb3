#include "graph_builder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <stdexcept>
#include <vector>

#include "base_layer.h"
#include "build_parallel.h"
#include "duplicates.h"
#include "graph_layout.h"
#include "graph_repair.h"
#include "graph_search.h"
#include "layer_links.h"
#include "leadline/core/rng.h"
#include "neighbor_selection.h"

namespace leadline::index::hnsw {
namespace {

/// A round adds at most this share of what the graph holds already, and no more than so many nodes:
/// the nodes of a round compare themselves with each other one by one.
constexpr size_t kRoundDivisor = 16;
constexpr size_t kMaxRound = 512;

/// Nodes whose links are chosen anew before any of these is written.
constexpr size_t kRefineRound = 4096;

/// A new link, to be sorted by target, then source.
struct ReverseLink {
  uint32_t target;
  uint32_t source;

  friend bool operator<(const ReverseLink& a, const ReverseLink& b) {
    return a.target != b.target ? a.target < b.target : a.source < b.source;
  }
};

/// Compares rows by `Space` (FullSpace or CodeSpace).
template <class Space>
class GraphBuilder {
 public:
  GraphBuilder(MatrixView vectors, const BuildOptions& options, const Space& space,
               const FullSpace& full)
      : vectors_(vectors), options_(options), space_(space), full_(full) {}

  /// Inserts every node into all of its layers; `refine` then chooses the links of layer 0 anew.
  Result<std::string> BuildByInsertion(bool refine) {
    LEADLINE_RETURN_IF_ERROR(options_.control.Check());
    Lay();
    LEADLINE_RETURN_IF_ERROR(Insert(0));
    if (refine) {
      LEADLINE_RETURN_IF_ERROR(Refine());
    }
    return Finish();
  }

  /// Inserts nodes into the layers above 0 only, which is linked by cells of neighbours; `coded`
  /// is what the space compares. REQUIRES: rows.
  Result<std::string> BuildByCells(const CodedVectors& coded, bool refine) {
    LEADLINE_RETURN_IF_ERROR(options_.control.Check());
    Lay();
    LEADLINE_RETURN_IF_ERROR(Insert(1));
    const CodedRows rows{coded.rows, options_.metric, coded.codes, order_};
    const BaseLayerInput input{rows,
                               space_,
                               view_,
                               {view_.upper_rows, upper_.size()},
                               options_.ef_construction,
                               options_.executor,
                               options_.control};
    LEADLINE_ASSIGN_OR_RETURN(const bool complete, LinkBaseLayer(input, Layer(0)));
    if (refine || !complete) {
      LEADLINE_RETURN_IF_ERROR(Refine());
    }
    return Finish();
  }

 private:
  using Distances = typename Space::Distances;

  /// Inserts all nodes into their layers from `lowest` up.
  Status Insert(uint32_t lowest) {
    lowest_ = lowest;
    for (size_t begin = 0; begin < order_.size();) {
      const size_t end = RoundEnd(begin);
      LEADLINE_RETURN_IF_ERROR(AddRound(begin, end));
      begin = end;
    }
    return {};
  }

  /// Sees to it that every node can be found.
  Result<std::string> Finish() {
    const GraphUnderRepair finished{view_, MutableLayer0(), order_, options_.control};
    if (options_.metric != Metric::kInnerProduct) {
      LEADLINE_RETURN_IF_ERROR(LinkLostNodes(finished, space_, options_.executor));
    }
    LEADLINE_RETURN_IF_ERROR(LinkUnreachableNodes(finished, space_, options_.ef_construction));
    return std::move(bytes_);
  }

  /// Draws layers, numbers the nodes and allocates the section with empty lists. Nodes enter in row
  /// order: real data is rarely shuffled, and neighbours entering together made better graphs than
  /// any other order tried (decision 0004).
  void Lay() {
    const Duplicates duplicates = FindDuplicates(vectors_);
    std::vector<bool> is_duplicate(vectors_.rows);
    for (const uint32_t row : duplicates.rows) {
      is_duplicate[row] = true;
    }
    Rng rng(options_.seed);
    const double scale = 1.0 / std::log(static_cast<double>(options_.m));
    for (uint32_t row = 0; row < vectors_.rows; ++row) {
      const double drawn = -std::log(1.0 - rng.UniformDouble()) * scale;
      if (!is_duplicate[row]) {
        order_.push_back(row);
        layer_of_.push_back(
            static_cast<uint8_t>(std::min(drawn, static_cast<double>(kMaxUpperLayers))));
      }
    }
    for (uint32_t position = 0; position < order_.size(); ++position) {
      if (layer_of_[position] > 0) {
        upper_.push_back(position);
      }
    }
    std::stable_sort(upper_.begin(), upper_.end(),
                     [&](uint32_t a, uint32_t b) { return layer_of_[a] > layer_of_[b]; });
    upper_node_of_.assign(order_.size(), kNoNode);
    for (uint32_t node = 0; node < upper_.size(); ++node) {
      upper_node_of_[upper_[node]] = node;
    }
    Allocate(duplicates);
  }

  void Allocate(const Duplicates& duplicates) {
    GraphHeader header;
    if (HasCodes(options_)) {
      header.version = kCodesVersion;
      header.codes = static_cast<uint32_t>(options_.codes);
    }
    header.m = options_.m;
    header.rows = vectors_.rows;
    header.ef_construction = options_.ef_construction;
    header.duplicate_count = static_cast<uint32_t>(duplicates.rows.size());
    std::vector<uint32_t> upper_rows;
    for (const uint32_t position : upper_) {
      upper_rows.push_back(order_[position]);
      for (uint32_t i = 0; i < layer_of_[position]; ++i) {
        ++header.layer_counts[i];
      }
    }
    if (!upper_.empty()) {
      header.entry_row = upper_rows[0];
      header.upper_layers = layer_of_[upper_[0]];
    } else if (!order_.empty()) {
      header.entry_row = order_[0];
    }
    const GraphOffsets offsets = OffsetsOf(header);
    bytes_.assign(offsets.end, '\xFF');  // every list empty: kNoNode is all ones
    const auto put = [this](size_t offset, const void* from, size_t count, size_t width) {
      if (count != 0) {
        std::memcpy(bytes_.data() + offset, from, count * width);
      }
    };
    put(0, &header, 1, sizeof header);
    put(offsets.upper_rows, upper_rows.data(), upper_rows.size(), sizeof(uint32_t));
    put(offsets.duplicate_rows, duplicates.rows.data(), duplicates.rows.size(), sizeof(uint32_t));
    put(offsets.duplicate_nodes, duplicates.nodes.data(), duplicates.nodes.size(),
        sizeof(uint32_t));
    view_ = ViewOf(header, bytes_.data());
    // The entry point of the growing graph; both end at the header's values.
    view_.upper_layers = 0;
    view_.entry_row = kNoNode;
  }

  /// The view points into bytes_, which this object owns and may write.
  [[nodiscard]] uint32_t* MutableLayer0() const { return const_cast<uint32_t*>(view_.layer0); }

  [[nodiscard]] LayerLinks Layer(uint32_t layer) const {
    if (layer == 0) {
      return {MutableLayer0(), size_t{2} * view_.m, nullptr};
    }
    return {const_cast<uint32_t*>(view_.layers[layer - 1]), view_.m, view_.upper_rows};
  }

  /// Where the round that starts at `begin` ends: a node above the present top layer enters alone,
  /// since it becomes the entry point.
  [[nodiscard]] size_t RoundEnd(size_t begin) const {
    const size_t size = std::clamp<size_t>(begin / kRoundDivisor, 1, kMaxRound);
    size_t end = begin + 1;
    if (layer_of_[begin] <= view_.upper_layers) {
      while (end < std::min(order_.size(), begin + size) && layer_of_[end] <= view_.upper_layers) {
        ++end;
      }
    }
    return end;
  }

  /// Adds the nodes order_[begin, end): all look for neighbours in the graph as it stands and among
  /// those of the round before them, then all are linked.
  Status AddRound(size_t begin, size_t end) {
    plans_.resize(end - begin);
    LEADLINE_RETURN_IF_ERROR(ForEachInParallel(options_.executor, end - begin, [&](size_t i) {
      return Plan(begin, begin + i, &plans_[i]);
    }));
    for (uint32_t layer = lowest_; layer <= view_.upper_layers; ++layer) {
      LEADLINE_RETURN_IF_ERROR(Link(space_, layer, begin, end));
    }
    if (begin == 0 || layer_of_[begin] > view_.upper_layers) {
      view_.upper_layers = layer_of_[begin];
      view_.entry_row = order_[begin];
      view_.entry_node = view_.upper_layers == 0 ? 0 : upper_node_of_[begin];
    }
    return {};
  }

  /// Chooses the neighbours of one node on each of its layers that exists already.
  Status Plan(size_t round_begin, size_t position, std::vector<std::vector<Key>>* plan) {
    const uint32_t top = std::min<uint32_t>(layer_of_[position], view_.upper_layers);
    plan->assign(top + 1, {});
    if (position == 0 || layer_of_[position] < lowest_) {
      return {};
    }
    LEADLINE_RETURN_IF_ERROR(options_.control.Check());
    SearchScratch& scratch = SearchScratch::OfThread();
    SearchStats stats;
    const Distances distances = space_.From(order_[position], &scratch);
    GraphSearch search(view_, distances, &scratch, &stats);
    uint32_t entry_row = view_.entry_row;
    if (view_.upper_layers > 0) {
      uint32_t entry = search.Descend(top);
      for (uint32_t layer = top; layer >= 1; --layer) {
        search.SearchUpper(layer, entry, options_.ef_construction);
        entry = NodeOf(scratch.pool[0]);
        OfferRoundUpper(distances, layer, round_begin, position, &scratch);
        Choose(layer, &scratch, &(*plan)[layer]);
      }
      entry_row = view_.upper_rows[entry];
    }
    if (lowest_ > 0) {
      return {};
    }
    LEADLINE_RETURN_IF_ERROR(
        search.SearchBase(entry_row, options_.ef_construction, options_.control));
    OfferRoundBase(distances, round_begin, position, &scratch);
    Choose(0, &scratch, &(*plan)[0]);
    return {};
  }

  /// Offers the nodes [round_begin, position) as neighbours on layer 0.
  void OfferRoundBase(const Distances& distances, size_t round_begin, size_t position,
                      SearchScratch* scratch) const {
    for (size_t begin = round_begin; begin < position; begin += SearchScratch::kMostLinks) {
      const size_t count = std::min(SearchScratch::kMostLinks, position - begin);
      const uint32_t* rows = order_.data() + begin;
      Offer(distances, rows, rows, count, scratch);
    }
  }

  /// The same on a layer above.
  void OfferRoundUpper(const Distances& distances, uint32_t layer, size_t round_begin,
                       size_t position, SearchScratch* scratch) const {
    size_t count = 0;
    for (size_t i = round_begin; i < position; ++i) {
      if (layer_of_[i] >= layer) {
        scratch->fresh[count] = upper_node_of_[i];
        scratch->fresh_rows[count] = order_[i];
        ++count;
      }
    }
    static_assert(kMaxRound <= SearchScratch::kMostLinks);
    Offer(distances, scratch->fresh, scratch->fresh_rows, count, scratch);
  }

  static void Offer(const Distances& distances, const uint32_t* nodes, const uint32_t* rows,
                    size_t count, SearchScratch* scratch) {
    distances.To(rows, count, scratch->distances);
    for (size_t i = 0; i < count; ++i) {
      scratch->found[i] = MakeKey(scratch->distances[i], nodes[i]);
    }
    scratch->pool.Merge(scratch->found, count);
  }

  void Choose(uint32_t layer, SearchScratch* scratch, std::vector<Key>* chosen) {
    std::vector<Key>& candidates = scratch->selection;
    candidates.clear();
    for (size_t i = 0; i < scratch->pool.size(); ++i) {
      candidates.push_back(scratch->pool[i]);
    }
    SelectNeighbors(space_, layer == 0 ? nullptr : view_.upper_rows, view_.m, scratch, &candidates);
    *chosen = candidates;
  }

  /// Searches for each node again now that all are there: those that came early have met few of
  /// their neighbours. Layer 0 only, whose lists may be filled this time. In rounds as before.
  Status Refine() {
    for (size_t begin = 0; begin < order_.size(); begin += kRefineRound) {
      const size_t end = std::min(order_.size(), begin + kRefineRound);
      plans_.resize(end - begin);
      LEADLINE_RETURN_IF_ERROR(ForEachInParallel(options_.executor, end - begin, [&](size_t i) {
        return PlanAnew(order_[begin + i], &plans_[i]);
      }));
      LEADLINE_RETURN_IF_ERROR(Link(full_, 0, begin, end));
    }
    return {};
  }

  /// Chooses among what a search finds and the links that are there, in full precision.
  Status PlanAnew(uint32_t row, std::vector<std::vector<Key>>* plan) const {
    LEADLINE_RETURN_IF_ERROR(options_.control.Check());
    SearchScratch& scratch = SearchScratch::OfThread();
    SearchStats stats;
    const Distances distances = space_.From(row, &scratch);
    GraphSearch search(view_, distances, &scratch, &stats);
    const size_t ef =
        std::max<size_t>(size_t{2} * view_.m, size_t{options_.ef_construction} * 3 / 4);
    LEADLINE_RETURN_IF_ERROR(search.SearchBase(search.FindBaseEntry(), ef, options_.control));
    std::vector<uint32_t>& rows = scratch.candidates;
    rows.clear();
    for (size_t i = 0; i < scratch.pool.size(); ++i) {
      rows.push_back(NodeOf(scratch.pool[i]));
    }
    const uint32_t* links = view_.BaseLinks(row);
    rows.insert(rows.end(), links, std::find(links, links + size_t{2} * view_.m, kNoNode));
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    std::erase(rows, row);
    std::vector<Key>& candidates = scratch.selection;
    candidates.clear();
    const FullDistances exact = full_.From(row, &scratch);
    for (size_t begin = 0; begin < rows.size(); begin += SearchScratch::kMostLinks) {
      const size_t count = std::min(SearchScratch::kMostLinks, rows.size() - begin);
      exact.To(rows.data() + begin, count, scratch.distances);
      for (size_t i = 0; i < count; ++i) {
        candidates.push_back(MakeKey(scratch.distances[i], rows[begin + i]));
      }
    }
    std::sort(candidates.begin(), candidates.end());
    SelectNeighbors(full_, nullptr, size_t{2} * view_.m, &scratch, &candidates);
    plan->assign(1, candidates);
    return {};
  }

  /// Writes the planned links of one layer and their reverses. `space` is the one the plans'
  /// distances are from.
  template <class S>
  Status Link(const S& space, uint32_t layer, size_t begin, size_t end) {
    const LayerLinks links = Layer(layer);
    reverse_.clear();
    for (size_t i = begin; i < end; ++i) {
      if (layer_of_[i] < layer) {
        continue;
      }
      const uint32_t node = layer == 0 ? order_[i] : upper_node_of_[i];
      const std::vector<Key>& neighbors = plans_[i - begin][layer];
      links.Write(node, neighbors);
      for (const Key neighbor : neighbors) {
        reverse_.push_back({NodeOf(neighbor), node});
      }
    }
    std::sort(reverse_.begin(), reverse_.end());
    groups_.clear();
    for (size_t i = 0; i < reverse_.size(); ++i) {
      if (i == 0 || reverse_[i].target != reverse_[i - 1].target) {
        groups_.push_back(i);
      }
    }
    groups_.push_back(reverse_.size());
    return ForEachInParallel(options_.executor, groups_.size() - 1, [&](size_t g) {
      SearchScratch& scratch = SearchScratch::OfThread();
      std::vector<uint32_t>& sources = scratch.sources;
      sources.clear();
      for (size_t i = groups_[g]; i < groups_[g + 1]; ++i) {
        sources.push_back(reverse_[i].source);
      }
      AddLinks(space, links, reverse_[groups_[g]].target, sources, &scratch);
      return Status();
    });
  }

  const MatrixView vectors_;
  const BuildOptions& options_;
  const Space& space_;
  const FullSpace& full_;
  std::vector<uint32_t> order_;    ///< rows of nodes in the order they enter
  std::vector<uint8_t> layer_of_;  ///< of order_[i]
  std::vector<uint32_t> upper_;    ///< positions in order_ of upper nodes, highest layer first
  std::vector<uint32_t> upper_node_of_;  ///< of order_[i]: its index in upper_, or kNoNode
  std::string bytes_;
  GraphView view_;
  uint32_t lowest_ = 0;                               ///< layer that nodes are inserted into
  std::vector<std::vector<std::vector<Key>>> plans_;  ///< of the round: node, layer, neighbours
  std::vector<ReverseLink> reverse_;
  std::vector<size_t> groups_;
};

/// Fewer rows are inserted one by one: that takes no time worth saving.
constexpr size_t kLeastRowsByCells = 1024;

Result<std::string> BuildByCodes(MatrixView vectors, const BuildOptions& options,
                                 const FullSpace& full, const CodedVectors& coded) {
  const CodeSpace space(coded.rows, options.metric, coded.codes);
  GraphBuilder builder(vectors, options, space, full);
  // Where a row's nearest is the longest one, cells of neighbours mean nothing.
  if (options.metric == Metric::kInnerProduct || vectors.rows < kLeastRowsByCells) {
    return builder.BuildByInsertion(options.refine.value_or(true));
  }
  return builder.BuildByCells(coded, options.refine.value_or(false));
}

}  // namespace

bool HasCodes(const BuildOptions& options) {
  return options.codes != CodeType::kAuto && options.codes != CodeType::kF32;
}

Result<std::string> BuildGraph(MatrixView vectors, const BuildOptions& options,
                               const CodedVectors* coded) {
  try {
    const simd::MetricDistance distance(options.metric, vectors.dim);
    const FullSpace full(vectors, distance);
    return coded != nullptr ? BuildByCodes(vectors, options, full, *coded)
                            : GraphBuilder(vectors, options, full, full)
                                  .BuildByInsertion(options.refine.value_or(false));
  } catch (const std::bad_alloc&) {
    return ResourceExhaustedError("out of memory while building an hnsw graph");
  } catch (const std::length_error&) {
    return ResourceExhaustedError("hnsw graph is larger than the address space");
  }
}

}  // namespace leadline::index::hnsw
