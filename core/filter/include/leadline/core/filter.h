#pragma once

/// Filters over JSON payloads: `year >= 2020 AND lang IN ('th','en') AND NOT tags CONTAINS
/// 'draft'`. docs/filters.md defines the language and what each predicate means on missing, null,
/// array and differently typed values.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "leadline/core/status.h"
#include "leadline/core/types.h"

namespace leadline {

struct FilterTree;

/// Longest filter text, in bytes; also the longest canonical form of a filter built in C++.
inline constexpr size_t kMaxFilterBytes = size_t{64} << 10;
/// Longest LIKE pattern, in bytes.
inline constexpr size_t kMaxLikePatternBytes = 1024;
/// Most keys in one JSON path.
inline constexpr size_t kMaxFilterPathKeys = kMaxPayloadDepth;

/// A literal: bool, number or UTF-8 string. Numbers compare by value and exactly: integers in
/// [-2^63, 2^64) are never rounded to double, and 1.0 is the same literal as 1.
class FilterValue {
 public:
  using Rep = std::variant<bool, int64_t, uint64_t, double, std::string>;

  FilterValue(bool value) : rep_(value) {}  // NOLINT(google-explicit-constructor)

  template <std::signed_integral T>
  FilterValue(T value)  // NOLINT(google-explicit-constructor)
      : rep_(static_cast<int64_t>(value)) {}

  template <std::unsigned_integral T>

  requires(!std::same_as<T, bool>) FilterValue(T value)  // NOLINT(google-explicit-constructor)
      : rep_(static_cast<uint64_t>(value)) {}

  FilterValue(double value) : rep_(value) {}  // NOLINT(google-explicit-constructor)

  FilterValue(std::string value)  // NOLINT(google-explicit-constructor)
      : rep_(std::move(value)) {}

  FilterValue(std::string_view value)  // NOLINT(google-explicit-constructor)
      : rep_(std::string(value)) {}

  FilterValue(const char* value)  // NOLINT(google-explicit-constructor)
      : rep_(std::string(value)) {}

  [[nodiscard]] const Rep& rep() const { return rep_; }

 private:
  Rep rep_;
};

enum class CompareOp : uint8_t {
  kEqual = 1,
  kNotEqual = 2,
  kLess = 3,
  kLessEqual = 4,
  kGreater = 5,
  kGreaterEqual = 6,
};

/// One filter, parsed from text or built from parts. Immutable value, cheap to copy, thread-safe.
///
///   auto filter = Filter::Parse("year >= 2020 AND NOT tags CONTAINS 'draft'");
///   auto same = Filter::And({*Filter::Compare("year", CompareOp::kGreaterEqual, 2020),
///                            *Filter::Not(*Filter::Contains("tags", "draft"))});
///
/// Every function that makes a filter fails with kInvalidArgument when a limit is broken: depth()
/// at most kMaxFilterDepth, nodes() at most kMaxFilterNodes, canonical text at most
/// kMaxFilterBytes, strings valid UTF-8, numbers finite. Paths are written as in the language:
/// `a.b`, `"odd key".x`; at most kMaxFilterPathKeys keys.
class Filter {
 public:
  /// Parses the filter language without recursion. The error names line, column (in characters,
  /// from 1), what was found and what was expected.
  static Result<Filter> Parse(std::string_view text);

  /// True if some value at `path` has the type of `value` and compares so. Bool: only kEqual and
  /// kNotEqual. kNotEqual needs a value of the same type that differs: absence is not a match.
  static Result<Filter> Compare(std::string_view path, CompareOp op, FilterValue value);
  /// True if some value at `path` equals one of `values` (at least one; types may be mixed).
  static Result<Filter> In(std::string_view path, const std::vector<FilterValue>& values);
  /// True if low <= value <= high; both numbers or both strings.
  static Result<Filter> Between(std::string_view path, FilterValue low, FilterValue high);
  /// True if some string at `path` matches: `%` any characters, `_` one character, `\` escapes
  /// `%`, `_` and itself. Case-sensitive. `pattern` at most kMaxLikePatternBytes.
  static Result<Filter> Like(std::string_view path, std::string_view pattern);
  /// True if an array at `path` has an element equal to `value`, or a string there has `value` as
  /// a substring.
  static Result<Filter> Contains(std::string_view path, FilterValue value);
  /// True if at least one of `values` is contained.
  static Result<Filter> ContainsAny(std::string_view path, const std::vector<FilterValue>& values);
  /// True if all of `values` are contained in one and the same array or string.
  static Result<Filter> ContainsAll(std::string_view path, const std::vector<FilterValue>& values);
  /// True if `path` is missing or null. Empty arrays and objects are not null.
  static Result<Filter> IsNull(std::string_view path);
  /// True if `path` is present, even when null.
  static Result<Filter> Exists(std::string_view path);
  /// At least one part. Parts that are conjunctions (disjunctions) themselves are merged in; one
  /// part alone is returned as it is.
  static Result<Filter> And(const std::vector<Filter>& parts);
  static Result<Filter> Or(const std::vector<Filter>& parts);
  /// The opposite of `part` for every payload, also where a value is missing.
  static Result<Filter> Not(const Filter& part);

  // No moves: a moved-from filter would have no tree.
  Filter(const Filter&) = default;
  Filter& operator=(const Filter&) = default;
  ~Filter() = default;

  /// Canonical text: equal filters have equal text, and parsing it gives an equal filter.
  [[nodiscard]] const std::string& ToString() const;
  /// Longest way from the root to a predicate, counting both; 1 for a lone predicate.
  [[nodiscard]] size_t depth() const;
  /// Predicates plus AND, OR and NOT nodes.
  [[nodiscard]] size_t nodes() const;

  /// For the evaluators inside Leadline (leadline/core/filter_tree.h, not installed).
  [[nodiscard]] const FilterTree& tree() const { return *tree_; }

  friend bool operator==(const Filter& a, const Filter& b) { return a.ToString() == b.ToString(); }

 private:
  friend class FilterBuilder;

  explicit Filter(std::shared_ptr<const FilterTree> tree) : tree_(std::move(tree)) {}

  std::shared_ptr<const FilterTree> tree_;
};

}  // namespace leadline
