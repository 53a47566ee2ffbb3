#pragma once

#include <cstdint>
#include <span>

#include "graph_layout.h"
#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "row_space.h"

namespace leadline::index::hnsw {

/// A finished graph whose layer 0 may still be written, and what to search it with.
struct GraphUnderRepair {
  const GraphView& view;
  uint32_t* layer0;                 ///< view.layer0, writable
  std::span<const uint32_t> nodes;  ///< rows on layer 0
  const CallControl& control;
};

/// Searches for each node by its own vector and links those that are not found from the nearest
/// node that is and has room (or in place of that node's longest link). On hard data 2% of the rows
/// of a fresh graph cannot find themselves; afterwards nearly all can, and their neighbours find
/// them too. For metrics whose nearest row to a vector is the vector itself. The result does not
/// depend on `executor`. Errors: kCancelled, kDeadlineExceeded, kResourceExhausted.
/// `Space` is FullSpace or CodeSpace.
template <class Space>
Status LinkLostNodes(const GraphUnderRepair& graph, const Space& space, Executor* executor);

/// Makes every node reachable from the entry point along layer 0, with links of the same kind.
/// Errors: kCancelled, kDeadlineExceeded.
template <class Space>
Status LinkUnreachableNodes(const GraphUnderRepair& graph, const Space& space, size_t ef);

extern template Status LinkLostNodes(const GraphUnderRepair&, const FullSpace&, Executor*);
extern template Status LinkLostNodes(const GraphUnderRepair&, const CodeSpace&, Executor*);
extern template Status LinkUnreachableNodes(const GraphUnderRepair&, const FullSpace&, size_t);
extern template Status LinkUnreachableNodes(const GraphUnderRepair&, const CodeSpace&, size_t);

}  // namespace leadline::index::hnsw
