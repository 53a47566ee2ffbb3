#include "leadline/eval/query_checks.h"

#include <algorithm>

namespace leadline::eval {

Status CheckQueryVector(std::span<const float> vector, const VectorField& field) {
  if (vector.size() != field.dim) {
    return InvalidFieldError("wrong vector size", "vector", std::to_string(vector.size()),
                             std::to_string(field.dim));
  }
  const bool zero =
      std::all_of(vector.begin(), vector.end(), [](float value) { return value == 0; });
  return zero && field.metric == Metric::kCosine
             ? InvalidFieldError("a zero vector has no cosine", "vector", "all zero",
                                 "a norm above 0")
             : OkStatus();
}

Result<std::optional<Filter>> CombinedFilter(const std::optional<Filter>& shared,
                                             const std::string& own) {
  if (own.empty()) {
    return shared;
  }
  LEADLINE_ASSIGN_OR_RETURN(const Filter parsed, Filter::Parse(own));
  if (!shared) {
    return std::optional<Filter>(parsed);
  }
  LEADLINE_ASSIGN_OR_RETURN(const Filter both, Filter::And({*shared, parsed}));
  return std::optional<Filter>(both);
}

}  // namespace leadline::eval
