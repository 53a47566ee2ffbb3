#pragma once

#include <cstddef>
#include <optional>

#include "column_view.h"
#include "leadline/core/call_control.h"
#include "leadline/core/leaf_predicate.h"
#include "row_bits.h"

namespace leadline {

/// What is known about the rows that make a filter true: all of `sure` are, none outside `possible`
/// is. Without `sure` the two are the same and the set is exact.
struct RowBounds {
  RowBits possible;
  std::optional<RowBits> sure;

  [[nodiscard]] const RowBits& lower() const { return sure.has_value() ? *sure : possible; }
};

/// Bounds for one predicate. `column` is null when no row is indexed at its path; `complete` says
/// that then no row has a value there either. Errors: kCancelled, kDeadlineExceeded.
Result<RowBounds> EvaluateLeaf(const FilterNode& node, const ColumnView* column, bool complete,
                               size_t rows, const CallControl& control);

}  // namespace leadline
