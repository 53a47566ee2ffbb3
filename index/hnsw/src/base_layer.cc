#include "base_layer.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "build_parallel.h"
#include "neighbor_selection.h"
#include "tile_search.h"

namespace leadline::index::hnsw {
namespace {

/// Cells whose neighbours are looked for everywhere.
constexpr size_t kSampleCells = 32;
/// Share of their neighbours that the cells compared later should hold, and that they have to.
constexpr double kWantedShare = 0.92;
constexpr double kLeastShare = 0.85;
/// Nodes that one is compared with at most, so that the time of a build stays linear.
constexpr size_t kMostCompared = 65'536;

/// Nodes of a cell: few, so that the cells around one are those around its members, but enough for
/// a tile; more where there are so many cells that finding the nearest one took longest.
size_t CellSizeFor(size_t nodes) {
  constexpr size_t kLeast = 128;
  return std::max(kLeast, static_cast<size_t>(std::sqrt(static_cast<double>(nodes))) / 4);
}

/// Candidates for the links of a node. Fewer than 100 may all lie in one small cluster.
size_t CandidatesFor(size_t width, uint32_t ef_construction) {
  return std::max<size_t>({100, width + width / 2, size_t{ef_construction} * 3 / 4});
}

static_assert(Cells::kMostMembers <= TileSearch::kMostLanes);

/// One build of a layer 0.
class BaseLayer {
 public:
  BaseLayer(const BaseLayerInput& input, const LayerLinks& links, const Cells& cells)
      : input_(input),
        links_(links),
        cells_(cells),
        keep_(CandidatesFor(links.width, input.ef_construction) + 1),
        upper_node_of_(input.rows.vectors.rows, kNoNode) {
    for (uint32_t node = 0; node < input.upper_rows.size(); ++node) {
      upper_node_of_[input.upper_rows[node]] = node;
    }
  }

  /// Returns whether the cells compared hold enough of a sample's neighbours.
  Result<bool> Link() {
    LEADLINE_ASSIGN_OR_RETURN(const double share, ChooseNearCount());
    std::vector<uint32_t> all(cells_.count());
    std::iota(all.begin(), all.end(), 0U);
    LEADLINE_RETURN_IF_ERROR(FindNear(all, near_count_));
    LEADLINE_RETURN_IF_ERROR(
        ForEachInParallel(input_.executor, all.size(), [&](size_t c) -> Status {
          TileSearch search(input_.rows.codes, input_.rows.vectors.dim);
          return ForEachNearest(
              c, near_count_, &search,
              [&](uint32_t row, std::vector<Key>* found) { LinkForward(row, found); });
        }));
    LEADLINE_RETURN_IF_ERROR(AddReverseLinks());
    return share >= kLeastShare;
  }

 private:
  Status FindNear(std::span<const uint32_t> cells, size_t count) {
    return cells_.FindNear(cells, count, input_.rows.metric, input_.executor, input_.control,
                           &near_);
  }

  /// Calls each(row, nearest) for the members of the cell of the `at`-th list in near_, of which
  /// `lists` cells are looked at.
  template <class Each>
  Status ForEachNearest(size_t at, size_t lists, TileSearch* search, Each each) const {
    const std::span<const uint32_t> near(near_.data() + at * lists, lists);
    const std::span<const uint32_t> members = cells_.MembersOf(near[0]);
    std::vector<uint32_t> table;
    for (const uint32_t cell : near) {
      const std::span<const uint32_t> others = cells_.MembersOf(cell);
      table.insert(table.end(), others.begin(), others.end());
    }
    constexpr size_t kPart = CallControl::kCheckInterval * 4;
    search->Start(members, keep_);
    for (size_t begin = 0; begin < table.size(); begin += kPart) {
      LEADLINE_RETURN_IF_ERROR(input_.control.Check());
      search->Offer({table.data() + begin, std::min(kPart, table.size() - begin)});
    }
    std::vector<Key> nearest;
    for (size_t lane = 0; lane < members.size(); ++lane) {
      search->Take(lane, &nearest);
      each(members[lane], &nearest);
    }
    return {};
  }

  /// Looks for the neighbours of a sample of cells everywhere and counts the cells around them that
  /// hold as many of these as wanted; returns the share that they hold.
  Result<double> ChooseNearCount() {
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<size_t> held, NeighborsByRank());
    const size_t all = std::accumulate(held.begin(), held.end(), size_t{0});
    const auto wanted = static_cast<size_t>(kWantedShare * static_cast<double>(all));
    const size_t most =
        std::max<size_t>(kMostCompared * cells_.count() / input_.rows.nodes.size(), 1);
    size_t sum = held[0];
    for (near_count_ = 1; sum < wanted && near_count_ < std::min(most, held.size());) {
      sum += held[near_count_++];
    }
    return all == 0 ? 1.0 : static_cast<double>(sum) / static_cast<double>(all);
  }

  /// Neighbours of the members of some cells in the r-th nearest cell to each.
  Result<std::vector<size_t>> NeighborsByRank() {
    const size_t count = cells_.count();
    const size_t samples = std::min(kSampleCells, count);
    std::vector<uint32_t> sample(samples);
    for (size_t i = 0; i < samples; ++i) {
      sample[i] = static_cast<uint32_t>(i * count / samples);
    }
    LEADLINE_RETURN_IF_ERROR(FindNear(sample, count));
    std::vector<std::vector<size_t>> held(samples, std::vector<size_t>(count));
    LEADLINE_RETURN_IF_ERROR(ForEachInParallel(input_.executor, samples, [&](size_t i) -> Status {
      std::vector<uint32_t> rank_of(input_.rows.vectors.rows);
      for (uint32_t rank = 0; rank < count; ++rank) {
        for (const uint32_t row : cells_.MembersOf(near_[i * count + rank])) {
          rank_of[row] = rank;
        }
      }
      TileSearch search(input_.rows.codes, input_.rows.vectors.dim);
      return ForEachNearest(i, count, &search, [&](uint32_t /*row*/, std::vector<Key>* found) {
        for (const Key key : *found) {
          ++held[i][rank_of[NodeOf(key)]];
        }
      });
    }));
    for (size_t i = 1; i < samples; ++i) {
      std::transform(held[i].begin(), held[i].end(), held[0].begin(), held[0].begin(),
                     std::plus<>());
    }
    return std::move(held[0]);
  }

  /// Chooses the links of `row` among `found`, ascending.
  void LinkForward(uint32_t row, std::vector<Key>* found) const {
    const uint32_t upper = NearestUpperNode(*found);
    std::erase_if(*found, [row](Key key) { return NodeOf(key) == row; });
    SearchScratch& scratch = SearchScratch::OfThread();
    if (upper != kNoNode) {
      AddUpperLinks(row, upper, &scratch, found);
    }
    SelectNeighbors(input_.space, nullptr, links_.width, &scratch, found);
    links_.Write(row, *found);
  }

  [[nodiscard]] uint32_t NearestUpperNode(const std::vector<Key>& found) const {
    for (const Key key : found) {
      if (upper_node_of_[NodeOf(key)] != kNoNode) {
        return upper_node_of_[NodeOf(key)];
      }
    }
    return kNoNode;
  }

  /// Adds the rows that `upper` is linked to on layer 1.
  void AddUpperLinks(uint32_t row, uint32_t upper, SearchScratch* scratch,
                     std::vector<Key>* found) const {
    const uint32_t* list = input_.graph.UpperLinks(1, upper);
    size_t count = 0;
    for (size_t i = 0; i < input_.graph.m && list[i] != kNoNode; ++i) {
      const uint32_t other = input_.upper_rows[list[i]];
      const bool known = std::any_of(found->begin(), found->end(),
                                     [other](Key key) { return NodeOf(key) == other; });
      scratch->fresh_rows[count] = other;
      count += known || other == row ? 0U : 1U;
    }
    input_.space.Around(row, scratch).To(scratch->fresh_rows, count, scratch->distances);
    for (size_t i = 0; i < count; ++i) {
      found->push_back(MakeKey(scratch->distances[i], scratch->fresh_rows[i]));
    }
    std::sort(found->begin(), found->end());
  }

  Status AddReverseLinks() const {
    const size_t rows = input_.rows.vectors.rows;
    std::vector<size_t> begins(rows + 1);
    for (const uint32_t node : input_.rows.nodes) {
      for (const uint32_t neighbor : links_.Of(node)) {
        ++begins[neighbor + 1];
      }
    }
    std::partial_sum(begins.begin(), begins.end(), begins.begin());
    std::vector<size_t> next(begins.begin(), begins.end() - 1);
    std::vector<uint32_t> sources(begins[rows]);
    for (const uint32_t node : input_.rows.nodes) {
      for (const uint32_t neighbor : links_.Of(node)) {
        sources[next[neighbor]++] = node;
      }
    }
    constexpr size_t kTask = 256;
    const std::span<const uint32_t> nodes = input_.rows.nodes;
    return ForEachInParallel(
        input_.executor, (nodes.size() + kTask - 1) / kTask, [&](size_t t) -> Status {
          LEADLINE_RETURN_IF_ERROR(input_.control.Check());
          for (const uint32_t node :
               nodes.subspan(t * kTask, std::min(kTask, nodes.size() - t * kTask))) {
            const std::span<const uint32_t> added(sources.data() + begins[node],
                                                  begins[node + 1] - begins[node]);
            AddLinks(input_.space, links_, node, added, &SearchScratch::OfThread());
          }
          return {};
        });
  }

  const BaseLayerInput& input_;
  const LayerLinks links_;
  const Cells& cells_;
  const size_t keep_;                    ///< candidates for links, and the row itself
  std::vector<uint32_t> upper_node_of_;  ///< of each row
  size_t near_count_ = 0;
  std::vector<uint32_t> near_;
};

}  // namespace

Result<bool> LinkBaseLayer(const BaseLayerInput& input, const LayerLinks& links) {
  LEADLINE_ASSIGN_OR_RETURN(
      const Cells cells,
      Cells::Make(input.rows, CellSizeFor(input.rows.nodes.size()), input.executor, input.control));
  return BaseLayer(input, links, cells).Link();
}

}  // namespace leadline::index::hnsw
