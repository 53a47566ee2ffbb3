#pragma once

#include <cstdint>
#include <vector>

#include "allowed_nodes.h"
#include "candidate_pool.h"
#include "graph_layout.h"
#include "leadline/core/call_control.h"
#include "leadline/index/principal_axes.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/segment_index.h"
#include "row_distances.h"
#include "visited_set.h"

namespace leadline::index::hnsw {

/// What one search needs besides the graph; reused from call to call. Thread-compatible.
struct SearchScratch {
  static constexpr size_t kMostLinks = size_t{2} * kMaxM;
  static_assert(kMostLinks <= CandidatePool::kMostMerged);

  VisitedSet visited;
  CandidatePool pool;
  std::vector<Key> frontier;          ///< filtered search: min-heap of nodes to expand
  std::vector<Key> accepted;          ///< filtered search: max-heap of allowed nodes
  std::vector<uint32_t> candidates;   ///< rows to be compared in full precision
  std::vector<uint32_t> sources;      ///< building: nodes that a node is to be linked to
  std::vector<Key> selection;         ///< building: candidates for a node's links
  uint32_t fresh[kMostLinks]{};       ///< unvisited neighbours of the node being expanded
  uint32_t fresh_rows[kMostLinks]{};  ///< their rows
  float distances[kMostLinks]{};
  Key found[kMostLinks]{};
  int32_t sums[kMostLinks]{};
  Projection projection;  ///< by pca8: brings the vector searched for to the axes
  RowQuery query;         ///< by codes: the vector searched for
  RowQuery neighbor;      ///< building by codes: a candidate that is compared with others

  /// The calling thread's own; its memory lives as long as the thread.
  static SearchScratch& OfThread();
};

/// How long a filtered walk goes on.
struct WalkBudget {
  /// Nodes after which the share of admitted nodes says something.
  static constexpr uint64_t kSample = 512;

  uint64_t distances = 0;
  /// Of all nodes, those that are admitted; of the first met a quarter of it is too few. 0 does not
  /// look.
  double usual_share = 0;

  [[nodiscard]] bool IsInVain(uint64_t met, uint64_t admitted) const {
    return met >= kSample && met < 2 * kSample &&
           static_cast<double>(admitted) < static_cast<double>(met) * usual_share / 4;
  }
};

/// Searches a graph for one query, whose distances to rows are those of `Distances` (FullDistances
/// or CodeDistances). Borrows everything; cheap to make, used by one thread.
template <class Distances>
class GraphSearch {
 public:
  GraphSearch(const GraphView& graph, const Distances& distances, SearchScratch* scratch,
              SearchStats* stats)
      : graph_(graph), distances_(distances), scratch_(scratch), stats_(stats) {}

  /// Greedy walk from the entry point through the layers above `layer` (>= 0); returns the upper
  /// node it ends on. REQUIRES: upper_layers >= 1.
  uint32_t Descend(uint32_t layer);

  /// Best-first search of `layer` >= 1 from upper node `entry`; leaves up to `ef` upper nodes in
  /// scratch->pool.
  void SearchUpper(uint32_t layer, uint32_t entry, size_t ef);

  /// Best-first search of layer 0 from row `entry`; leaves up to `ef` rows in scratch->pool.
  /// Looks at `control` every 1,024 distances.
  Status SearchBase(uint32_t entry, size_t ef, const CallControl& control);

  /// As SearchBase, but stops as soon as `target` is the nearest node met; returns whether it was.
  Result<bool> SearchBaseFor(uint32_t target, uint32_t entry, size_t ef,
                             const CallControl& control);

  /// As SearchBase, but walks until the `ef` nearest nodes that `admits` takes cannot get better,
  /// and leaves those in scratch->accepted, ascending. Returns false, having given up, beyond
  /// `budget`.
  Result<bool> SearchFiltered(uint32_t entry, size_t ef, const WalkBudget& budget,
                              const AllowedNodes& admits, const CallControl& control);

  /// The row where layer 0 is entered. REQUIRES: rows >= 1.
  uint32_t FindBaseEntry();

 private:
  template <class Layer>
  Result<bool> BestFirst(const Layer& layer, uint32_t entry, size_t ef, uint32_t target,
                         const CallControl& control);
  /// Keys of the unvisited ones among the links of `node`; returns how many, in scratch->found.
  template <class Layer>
  size_t Expand(const Layer& layer, uint32_t node);
  /// Distances of scratch->fresh_rows; what they belong to is in `nodes`.
  void Measure(const uint32_t* nodes, const uint32_t* rows, size_t count);
  [[nodiscard]] Key KeyOf(uint32_t node, uint32_t row);

  const GraphView& graph_;
  const Distances& distances_;
  SearchScratch* const scratch_;
  SearchStats* const stats_;
};

extern template class GraphSearch<FullDistances>;
extern template class GraphSearch<CodeDistances>;

}  // namespace leadline::index::hnsw
