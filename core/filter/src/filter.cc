#include "leadline/core/filter.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "filter_builder.h"
#include "filter_text.h"
#include "leadline/core/filter_tree.h"
#include "leadline/core/utf8_check.h"

namespace leadline {
namespace {

Status LimitError(std::string_view what, std::string_view field, size_t value, size_t limit) {
  return InvalidFieldError(what, field, std::to_string(value), std::to_string(limit));
}

bool IsBool(const FilterLiteral& literal) {
  return std::holds_alternative<bool>(literal);
}

/// `%`, `_` and `\` may follow a backslash, nothing else may.
Status CheckLikePattern(std::string_view pattern) {
  if (pattern.size() > kMaxLikePatternBytes) {
    return LimitError("LIKE pattern too long", "pattern", pattern.size(), kMaxLikePatternBytes);
  }
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '\\') {
      continue;
    }
    ++i;
    if (i == pattern.size() || (pattern[i] != '%' && pattern[i] != '_' && pattern[i] != '\\')) {
      return InvalidArgumentError(
          "LIKE pattern has a backslash that escapes nothing; write \\% \\_ or \\\\: pattern=" +
          std::string(pattern));
    }
  }
  return {};
}

/// Checks that operator and literals fit each other.
Status CheckLiterals(const FilterNode& node) {
  const auto& literals = node.literals;
  switch (node.kind) {
    case FilterNodeKind::kCompare:
      if (IsBool(literals[0]) && node.op != CompareOp::kEqual && node.op != CompareOp::kNotEqual) {
        return InvalidArgumentError(
            "filter orders a bool; TRUE and FALSE take = and != only: path=" +
            FilterPathText(node.path));
      }
      return {};
    case FilterNodeKind::kBetween:
      if (IsBool(literals[0]) || literals[0].index() != literals[1].index()) {
        return InvalidArgumentError("BETWEEN needs two numbers or two strings: path=" +
                                    FilterPathText(node.path));
      }
      return {};
    case FilterNodeKind::kLike:
      return CheckLikePattern(std::get<std::string>(literals[0]));
    case FilterNodeKind::kIn:
    case FilterNodeKind::kContainsAny:
    case FilterNodeKind::kContainsAll:
      if (literals.empty()) {
        return InvalidArgumentError("filter has an empty list of values: path=" +
                                    FilterPathText(node.path));
      }
      return {};
    case FilterNodeKind::kIsNull:
    case FilterNodeKind::kExists:
    case FilterNodeKind::kAnd:
    case FilterNodeKind::kOr:
    case FilterNodeKind::kNot:
      return {};
  }
  return {};
}

Result<Filter> MakePredicate(FilterNodeKind kind, std::string_view path,
                             const std::vector<FilterValue>& values,
                             CompareOp op = CompareOp::kEqual) {
  FilterNode node;
  node.kind = kind;
  node.op = op;
  LEADLINE_ASSIGN_OR_RETURN(node.path, ParseFilterPath(path));
  for (const FilterValue& value : values) {
    LEADLINE_ASSIGN_OR_RETURN(FilterLiteral literal, FilterBuilder::Literal(value));
    node.literals.push_back(std::move(literal));
  }
  return FilterBuilder::Predicate(std::move(node));
}

}  // namespace

bool IsConnective(FilterNodeKind kind) {
  return kind == FilterNodeKind::kAnd || kind == FilterNodeKind::kOr ||
         kind == FilterNodeKind::kNot;
}

Result<FilterLiteral> FilterBuilder::Literal(const FilterValue& value) {
  const FilterValue::Rep& rep = value.rep();
  if (const auto* truth = std::get_if<bool>(&rep)) {
    return FilterLiteral(*truth);
  }
  if (const auto* number = std::get_if<int64_t>(&rep)) {
    return FilterLiteral(ExactNumber::FromInt(*number));
  }
  if (const auto* number = std::get_if<uint64_t>(&rep)) {
    return FilterLiteral(ExactNumber::FromUnsigned(*number));
  }
  if (const auto* number = std::get_if<double>(&rep)) {
    if (!std::isfinite(*number)) {
      return InvalidFieldError("filter number is not finite", "filter", std::to_string(*number),
                               "finite");
    }
    return FilterLiteral(ExactNumber::FromDouble(*number));
  }
  const auto& text = std::get<std::string>(rep);
  if (!IsValidUtf8(text)) {
    return InvalidArgumentError("filter string is not valid UTF-8").WithField("filter");
  }
  return FilterLiteral(text);
}

Result<Filter> FilterBuilder::Seal(FilterTree tree) {
  if (tree.depth > kMaxFilterDepth) {
    return LimitError("filter nested too deeply", "filter depth", tree.depth, kMaxFilterDepth);
  }
  if (tree.nodes.size() > kMaxFilterNodes) {
    return LimitError("filter has too many nodes", "filter nodes", tree.nodes.size(),
                      kMaxFilterNodes);
  }
  if (tree.text.size() > kMaxFilterBytes) {
    return LimitError("filter too long in canonical form", "filter bytes", tree.text.size(),
                      kMaxFilterBytes);
  }
  return Filter(std::make_shared<const FilterTree>(std::move(tree)));
}

Result<Filter> FilterBuilder::Predicate(FilterNode node) {
  LEADLINE_RETURN_IF_ERROR(CheckLiterals(node));
  if (node.kind == FilterNodeKind::kContainsAll && node.literals.size() == 1) {
    node.kind = FilterNodeKind::kContainsAny;
  }
  FilterTree tree;
  tree.depth = 1;
  tree.text = PredicateText(node);
  tree.nodes.push_back(std::move(node));
  return Seal(std::move(tree));
}

Result<Filter> FilterBuilder::Join(FilterNodeKind kind, const std::vector<Filter>& parts) {
  if (parts.empty()) {
    return InvalidArgumentError("AND or OR of no filters").WithField("filter");
  }
  if (parts.size() == 1) {
    return parts[0];
  }
  FilterTree tree;
  FilterNode root;
  root.kind = kind;
  for (const Filter& part : parts) {
    const FilterTree& from = part.tree();
    const FilterNode& top = from.nodes.back();
    const bool merged = top.kind == kind;
    tree.nodes.insert(tree.nodes.end(), from.nodes.begin(), from.nodes.end() - (merged ? 1 : 0));
    root.arity += merged ? top.arity : 1;
    tree.depth = std::max(tree.depth, from.depth + (merged ? 0 : 1));
    const bool wrapped = kind == FilterNodeKind::kAnd && top.kind == FilterNodeKind::kOr;
    tree.text += tree.text.empty() ? "" : (kind == FilterNodeKind::kAnd ? " AND " : " OR ");
    tree.text += wrapped ? "(" + from.text + ")" : from.text;
    // Stops early, so that a long list of large parts costs no more than the limits allow.
    if (tree.nodes.size() > kMaxFilterNodes || tree.text.size() > kMaxFilterBytes) {
      return Seal(std::move(tree));
    }
  }
  tree.nodes.push_back(std::move(root));
  return Seal(std::move(tree));
}

Result<Filter> FilterBuilder::Negate(const Filter& part) {
  const FilterTree& from = part.tree();
  const FilterNodeKind top = from.nodes.back().kind;
  const bool wrapped = top == FilterNodeKind::kAnd || top == FilterNodeKind::kOr;
  FilterTree tree;
  tree.nodes = from.nodes;
  tree.depth = from.depth + 1;
  tree.text = wrapped ? "NOT (" + from.text + ")" : "NOT " + from.text;
  FilterNode root;
  root.kind = FilterNodeKind::kNot;
  root.arity = 1;
  tree.nodes.push_back(std::move(root));
  return Seal(std::move(tree));
}

Result<Filter> Filter::Compare(std::string_view path, CompareOp op, FilterValue value) {
  if (op < CompareOp::kEqual || op > CompareOp::kGreaterEqual) {
    return InvalidFieldError("filter operator unknown", "op", std::to_string(static_cast<int>(op)),
                             "1..6");
  }
  return MakePredicate(FilterNodeKind::kCompare, path, {std::move(value)}, op);
}

Result<Filter> Filter::In(std::string_view path, const std::vector<FilterValue>& values) {
  return MakePredicate(FilterNodeKind::kIn, path, values);
}

Result<Filter> Filter::Between(std::string_view path, FilterValue low, FilterValue high) {
  return MakePredicate(FilterNodeKind::kBetween, path, {std::move(low), std::move(high)});
}

Result<Filter> Filter::Like(std::string_view path, std::string_view pattern) {
  return MakePredicate(FilterNodeKind::kLike, path, {pattern});
}

Result<Filter> Filter::Contains(std::string_view path, FilterValue value) {
  return MakePredicate(FilterNodeKind::kContainsAny, path, {std::move(value)});
}

Result<Filter> Filter::ContainsAny(std::string_view path, const std::vector<FilterValue>& values) {
  return MakePredicate(FilterNodeKind::kContainsAny, path, values);
}

Result<Filter> Filter::ContainsAll(std::string_view path, const std::vector<FilterValue>& values) {
  return MakePredicate(FilterNodeKind::kContainsAll, path, values);
}

Result<Filter> Filter::IsNull(std::string_view path) {
  return MakePredicate(FilterNodeKind::kIsNull, path, {});
}

Result<Filter> Filter::Exists(std::string_view path) {
  return MakePredicate(FilterNodeKind::kExists, path, {});
}

Result<Filter> Filter::And(const std::vector<Filter>& parts) {
  return FilterBuilder::Join(FilterNodeKind::kAnd, parts);
}

Result<Filter> Filter::Or(const std::vector<Filter>& parts) {
  return FilterBuilder::Join(FilterNodeKind::kOr, parts);
}

Result<Filter> Filter::Not(const Filter& part) {
  return FilterBuilder::Negate(part);
}

const std::string& Filter::ToString() const {
  return tree_->text;
}

size_t Filter::depth() const {
  return tree_->depth;
}

size_t Filter::nodes() const {
  return tree_->nodes.size();
}

}  // namespace leadline
