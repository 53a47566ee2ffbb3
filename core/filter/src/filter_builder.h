#pragma once

#include <string>
#include <vector>

#include "leadline/core/filter.h"
#include "leadline/core/filter_tree.h"

namespace leadline {

/// The one place where filters come into being: every limit is checked and the canonical text made
/// here, for the parser and for the C++ builders alike.
class FilterBuilder {
 public:
  /// Makes a predicate out of `node`; its path is taken as parsed.
  static Result<Filter> Predicate(FilterNode node);
  /// Joins at least one part by kAnd or kOr, merging parts of the same kind.
  static Result<Filter> Join(FilterNodeKind kind, const std::vector<Filter>& parts);
  static Result<Filter> Negate(const Filter& part);
  /// Literal out of a value; refuses non-finite numbers and ill-formed UTF-8.
  static Result<FilterLiteral> Literal(const FilterValue& value);

 private:
  static Result<Filter> Seal(FilterTree tree);
};

/// Words of the language, which a key must be quoted to equal. Case-insensitive.
bool IsFilterKeyword(std::string_view word);

}  // namespace leadline
