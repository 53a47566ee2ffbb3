#pragma once

/// One predicate of a filter made ready to test values. Not installed.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/exact_number.h"
#include "leadline/core/filter_tree.h"
#include "leadline/core/like_pattern.h"
#include "leadline/core/payload_walk.h"

namespace leadline {

/// Answers for single values; which values a path reaches is the walker's part. Immutable,
/// thread-safe; the node must outlive it.
class LeafPredicate {
 public:
  static constexpr int kNoLiteral = -1;

  explicit LeafPredicate(const FilterNode& node);

  [[nodiscard]] const FilterNode& node() const { return *node_; }

  /// kCompare, kIn, kBetween, kLike: does this value pass?
  [[nodiscard]] bool Accepts(const PayloadScalar& value) const;
  /// kContainsAny, kContainsAll: does this string have the literals as substrings?
  [[nodiscard]] bool AcceptsText(std::string_view text) const;
  /// kIn, kContains*: which literal equals this value, in [0, literals()), or kNoLiteral.
  [[nodiscard]] int FindLiteral(const PayloadScalar& value) const;

  /// Number of different literals.
  [[nodiscard]] size_t literals() const { return numbers_.size() + texts_.size() + bools_.size(); }

  /// Different literals by type, ascending.
  [[nodiscard]] const std::vector<ExactNumber>& numbers() const { return numbers_; }

  [[nodiscard]] const std::vector<std::string>& texts() const { return texts_; }

  [[nodiscard]] const std::vector<bool>& bools() const { return bools_; }

  /// kLike only.
  [[nodiscard]] const LikePattern& like() const { return *like_; }

 private:
  const FilterNode* node_;
  std::vector<ExactNumber> numbers_;
  std::vector<std::string> texts_;
  std::vector<bool> bools_;
  std::optional<LikePattern> like_;
};

}  // namespace leadline
