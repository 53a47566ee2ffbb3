#pragma once

#include <optional>
#include <span>
#include <string>

#include "leadline/core/filter.h"
#include "leadline/core/options.h"

namespace leadline::eval {

/// Tells before anything runs whether a query's vector can be searched in `field`:
/// kInvalidArgument for another size and for a zero vector under cosine.
Status CheckQueryVector(std::span<const float> vector, const VectorField& field);

/// What must hold under both: the filter of all queries and the text of a query's own, where there
/// are any. Errors: kInvalidArgument where `own` does not parse.
Result<std::optional<Filter>> CombinedFilter(const std::optional<Filter>& shared,
                                             const std::string& own);

}  // namespace leadline::eval
