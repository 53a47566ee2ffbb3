#pragma once

#include "leadline/core/options.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"

namespace leadline {

/// Checks the rows of `queries` [n x field.dim] as Collection::SearchBatch does, for callers that
/// bring a batch in parts. kInvalidArgument names query, field, value and limit. Cost: one pass.
Status CheckQueries(const VectorField& field, MatrixView queries);

}  // namespace leadline
