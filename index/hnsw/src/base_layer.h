#pragma once

#include <cstdint>
#include <span>

#include "cells.h"
#include "graph_layout.h"
#include "layer_links.h"
#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "row_space.h"

namespace leadline::index::hnsw {

/// What a layer 0 is made of.
struct BaseLayerInput {
  const CodedRows& rows;
  const CodeSpace& space;                ///< over the same rows
  const GraphView& graph;                ///< whose layers from 1 up are linked
  std::span<const uint32_t> upper_rows;  ///< of all of its upper nodes
  uint32_t ef_construction = 0;
  Executor* executor = nullptr;
  const CallControl& control;
};

/// Links all nodes of layer 0 at once, without searching the graph: compares the members of each
/// cell with those of the cells around it, by products of tiles, chooses links among the nearest of
/// these by the rule of HNSW, and adds their reverses. How many cells are compared is measured: so
/// many that nearly all of the neighbours of a sample are among them, up to a limit. What the
/// nearest node of layer 1 is linked to there are candidates as well: they lead out of a cluster
/// that holds all neighbours of its rows.
///
/// Returns whether the cells compared hold enough of the sample's neighbours; otherwise the graph
/// is to be refined by searching it. `links`: empty lists. The result does not depend on
/// `executor`. Errors: kCancelled, kDeadlineExceeded, kResourceExhausted. Source: partition, all
/// pairs within the parts, then pruning, as in PiPNN, with the lists of an inverted file in place
/// of overlapping leaves; docs/decisions/0017-layer-by-cells.md.
Result<bool> LinkBaseLayer(const BaseLayerInput& input, const LayerLinks& links);

}  // namespace leadline::index::hnsw
