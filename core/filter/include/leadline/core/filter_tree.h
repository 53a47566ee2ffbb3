#pragma once

/// The tree behind a Filter, for evaluators. Not installed.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "leadline/core/exact_number.h"
#include "leadline/core/filter.h"
#include "leadline/core/status.h"

namespace leadline {

/// A literal with its number in canonical form.
using FilterLiteral = std::variant<bool, ExactNumber, std::string>;

enum class FilterNodeKind : uint8_t {
  kCompare,
  kIn,
  kBetween,
  kLike,
  kContainsAny,  ///< also CONTAINS with one literal
  kContainsAll,
  kIsNull,
  kExists,
  kAnd,
  kOr,
  kNot,
};

/// True for kAnd, kOr and kNot.
bool IsConnective(FilterNodeKind kind);

/// One node. Predicates use path and literals, connectives use arity.
struct FilterNode {
  FilterNodeKind kind = FilterNodeKind::kExists;
  CompareOp op = CompareOp::kEqual;     ///< kCompare only
  uint32_t arity = 0;                   ///< operands of a connective, else 0
  std::vector<std::string> path;        ///< keys, at least one for a predicate
  std::vector<FilterLiteral> literals;  ///< kCompare, kLike: 1; kBetween: 2; kIn, kContains*: 1..n
};

/// Nodes in postfix order: operands before their connective, the root last.
struct FilterTree {
  std::vector<FilterNode> nodes;
  size_t depth = 0;
  std::string text;  ///< canonical
};

/// Keys of `a.b."odd key"`; kInvalidArgument names the column.
Result<std::vector<std::string>> ParseFilterPath(std::string_view path);

/// Canonical text of a path; keys that are not plain identifiers are quoted.
std::string FilterPathText(const std::vector<std::string>& keys);

}  // namespace leadline
