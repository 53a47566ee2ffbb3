#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace leadline {

/// A LIKE pattern made ready: `%` matches any characters, `_` one character (code point), `\` takes
/// the next character literally. Immutable, thread-safe. Not installed.
class LikePattern {
 public:
  explicit LikePattern(std::string_view pattern);

  /// `text` is valid UTF-8. Cost: linear for usual patterns, at worst text * pattern bytes.
  [[nodiscard]] bool Matches(std::string_view text) const;

  /// Every match starts with these bytes.
  [[nodiscard]] const std::string& prefix() const { return prefix_; }

 private:
  std::vector<uint16_t> units_;  ///< a byte, or one of the two wildcards
  std::string prefix_;
};

}  // namespace leadline
