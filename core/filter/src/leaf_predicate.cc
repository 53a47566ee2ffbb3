#include "leadline/core/leaf_predicate.h"

#include <algorithm>
#include <compare>
#include <cstring>

namespace leadline {
namespace {

bool Holds(CompareOp op, std::strong_ordering order) {
  switch (op) {
    case CompareOp::kEqual:
      return std::is_eq(order);
    case CompareOp::kNotEqual:
      return std::is_neq(order);
    case CompareOp::kLess:
      return std::is_lt(order);
    case CompareOp::kLessEqual:
      return std::is_lteq(order);
    case CompareOp::kGreater:
      return std::is_gt(order);
    case CompareOp::kGreaterEqual:
      return std::is_gteq(order);
  }
  return false;
}

/// Order of a value against a literal, or nothing when their types differ. Strings compare by
/// bytes, which in UTF-8 is the order of code points.
std::optional<std::strong_ordering> Order(const PayloadScalar& value,
                                          const FilterLiteral& literal) {
  switch (value.type) {
    case PayloadScalar::Type::kNull:
      return std::nullopt;
    case PayloadScalar::Type::kBool:
      if (const auto* truth = std::get_if<bool>(&literal)) {
        return value.truth <=> *truth;
      }
      return std::nullopt;
    case PayloadScalar::Type::kNumber:
      if (const auto* number = std::get_if<ExactNumber>(&literal)) {
        return value.number <=> *number;
      }
      return std::nullopt;
    case PayloadScalar::Type::kString:
      if (const auto* text = std::get_if<std::string>(&literal)) {
        return value.text <=> std::string_view(*text);
      }
      return std::nullopt;
  }
  return std::nullopt;
}

bool HasSubstring(std::string_view text, std::string_view part) {
  return ::memmem(text.data(), text.size(), part.data(), part.size()) != nullptr || part.empty();
}

template <typename T>
void SortUnique(std::vector<T>* values) {
  std::sort(values->begin(), values->end());
  values->erase(std::unique(values->begin(), values->end()), values->end());
}

}  // namespace

LeafPredicate::LeafPredicate(const FilterNode& node) : node_(&node) {
  for (const FilterLiteral& literal : node.literals) {
    if (const auto* truth = std::get_if<bool>(&literal)) {
      bools_.push_back(*truth);
    } else if (const auto* number = std::get_if<ExactNumber>(&literal)) {
      numbers_.push_back(*number);
    } else {
      texts_.push_back(std::get<std::string>(literal));
    }
  }
  SortUnique(&numbers_);
  SortUnique(&texts_);
  SortUnique(&bools_);
  if (node.kind == FilterNodeKind::kLike) {
    like_.emplace(texts_[0]);
  }
}

bool LeafPredicate::Accepts(const PayloadScalar& value) const {
  switch (node_->kind) {
    case FilterNodeKind::kCompare: {
      const auto order = Order(value, node_->literals[0]);
      return order.has_value() && Holds(node_->op, *order);
    }
    case FilterNodeKind::kBetween: {
      const auto low = Order(value, node_->literals[0]);
      const auto high = Order(value, node_->literals[1]);
      return low.has_value() && high.has_value() && std::is_gteq(*low) && std::is_lteq(*high);
    }
    case FilterNodeKind::kIn:
      return FindLiteral(value) != kNoLiteral;
    case FilterNodeKind::kLike:
      return value.type == PayloadScalar::Type::kString && like_->Matches(value.text);
    default:
      return false;
  }
}

bool LeafPredicate::AcceptsText(std::string_view text) const {
  const auto found = [&](const std::string& part) { return HasSubstring(text, part); };
  if (node_->kind == FilterNodeKind::kContainsAny) {
    return std::any_of(texts_.begin(), texts_.end(), found);
  }
  return numbers_.empty() && bools_.empty() && std::all_of(texts_.begin(), texts_.end(), found);
}

int LeafPredicate::FindLiteral(const PayloadScalar& value) const {
  const auto find = [](const auto& sorted, const auto& key, size_t base) {
    const auto at = std::lower_bound(sorted.begin(), sorted.end(), key);
    if (at == sorted.end() || *at != key) {
      return kNoLiteral;
    }
    return static_cast<int>(base + static_cast<size_t>(at - sorted.begin()));
  };
  switch (value.type) {
    case PayloadScalar::Type::kNull:
      return kNoLiteral;
    case PayloadScalar::Type::kNumber:
      return find(numbers_, value.number, 0);
    case PayloadScalar::Type::kString:
      return find(texts_, value.text, numbers_.size());
    case PayloadScalar::Type::kBool:
      return find(bools_, value.truth, numbers_.size() + texts_.size());
  }
  return kNoLiteral;
}

}  // namespace leadline
