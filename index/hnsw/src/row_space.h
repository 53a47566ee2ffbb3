#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "graph_search.h"
#include "leadline/core/types.h"
#include "row_distances.h"

namespace leadline::index::hnsw {

// How a build compares rows with each other. Both classes borrow what they are made of and are
// immutable; what they return lives until the next call for the same scratch.
//   From(row)     distances from a row that is searched for
//   Around(row)   the same for one of its candidates; both may be in use at once
//   Covering(d)   a candidate at distance d is dropped when a link is nearer to it than this

/// In full precision.
class FullSpace {
 public:
  using Distances = FullDistances;

  FullSpace(MatrixView vectors, const simd::MetricDistance& distance)
      : vectors_(vectors), distance_(distance) {}

  [[nodiscard]] FullDistances From(uint32_t row, SearchScratch* /*scratch*/) const {
    return {distance_, vectors_.data, vectors_.row(row).data()};
  }

  [[nodiscard]] FullDistances Around(uint32_t row, SearchScratch* scratch) const {
    return From(row, scratch);
  }

  [[nodiscard]] static float Covering(float distance) { return distance; }

 private:
  const MatrixView vectors_;
  const simd::MetricDistance& distance_;
};

/// By sq8 codes: the searched row as it is, candidates as their codes say. Distances are squared
/// Euclidean ones for kCosine too.
class CodeSpace {
 public:
  using Distances = CodeDistances;

  CodeSpace(MatrixView vectors, Metric metric, const RowCodes& codes)
      : vectors_(vectors), codes_(codes), dot_(metric == Metric::kInnerProduct) {}

  [[nodiscard]] CodeDistances From(uint32_t row, SearchScratch* scratch) const {
    scratch->query.Prepare(codes_, vectors_.row(row).data());
    return {codes_, scratch->query, scratch->sums, scratch->query.Shift()};
  }

  [[nodiscard]] CodeDistances Around(uint32_t row, SearchScratch* scratch) const {
    if (dot_) {
      scratch->neighbor.Prepare(codes_, vectors_.row(row).data());
    } else {
      scratch->neighbor.PrepareRow(codes_, row);
    }
    return {codes_, scratch->neighbor, scratch->sums, scratch->neighbor.Shift()};
  }

  /// A little less of the squared distance, since lists of 2m have room for more links than the
  /// rule leaves (docs/decisions/0017-layer-by-cells.md); and more than nothing, since of rows that
  /// codes cannot tell apart one link is enough.
  [[nodiscard]] float Covering(float distance) const {
    constexpr float kShare = 0.98F;
    return dot_ ? distance : std::max(kShare * distance, std::numeric_limits<float>::min());
  }

 private:
  const MatrixView vectors_;
  const RowCodes& codes_;
  const bool dot_;
};

}  // namespace leadline::index::hnsw
