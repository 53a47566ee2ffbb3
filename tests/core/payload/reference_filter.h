#pragma once

/// A second, independent reading of docs/filters.md: recursive, over a plain tree of values. It
/// shares no code with the library.

#include <string>
#include <vector>

namespace leadline::testing {

struct RefValue {
  enum class Type { kNull, kBool, kNumber, kString, kArray, kObject };

  Type type = Type::kNull;
  bool truth = false;
  std::string number;  ///< as written
  std::string text;
  std::vector<RefValue> elements;
  std::string key;  ///< of a member
  std::vector<RefValue> members;
};

/// JSON text of a value; strings as they are, with the escapes JSON needs.
std::string RefJson(const RefValue& value);

struct RefFilter {
  enum class Kind {
    kCompare,
    kIn,
    kBetween,
    kLike,
    kContains,
    kAny,
    kAll,
    kNull,
    kExists,
    kAnd,
    kOr,
    kNot
  };

  Kind kind = Kind::kExists;
  std::string op;  ///< kCompare: = != < <= > >=
  std::vector<std::string> path;
  std::vector<RefValue> literals;
  std::vector<RefFilter> parts;
};

/// Text of a filter with every part in parentheses where the language allows them.
std::string RefText(const RefFilter& filter);

bool RefMatches(const RefFilter& filter, const RefValue& payload);

}  // namespace leadline::testing
