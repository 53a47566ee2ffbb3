#include "leadline/core/like_pattern.h"

#include <cstring>

namespace leadline {
namespace {

constexpr uint16_t kOne = 256;
constexpr uint16_t kMany = 257;
constexpr size_t kNone = static_cast<size_t>(-1);

/// Start of the character after the one at `at`.
size_t NextCharacter(std::string_view text, size_t at) {
  ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80) {
    ++at;
  }
  return at;
}

}  // namespace

LikePattern::LikePattern(std::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '%') {
      if (units_.empty() || units_.back() != kMany) {
        units_.push_back(kMany);
      }
    } else if (c == '_') {
      units_.push_back(kOne);
    } else {
      const bool escape = c == '\\' && i + 1 < pattern.size();
      units_.push_back(static_cast<unsigned char>(escape ? pattern[++i] : c));
    }
  }
  for (const uint16_t unit : units_) {
    if (unit >= kOne) {
      break;
    }
    prefix_ += static_cast<char>(unit);
  }
}

bool LikePattern::Matches(std::string_view text) const {
  if (text.substr(0, prefix_.size()) != prefix_) {
    return false;
  }
  // Greedy with one restart point: only the last % has to be reconsidered, as an earlier one that
  // takes less can never lose a match.
  size_t at = prefix_.size();
  size_t unit = prefix_.size();
  size_t restart_unit = kNone;
  size_t restart_at = 0;
  while (true) {
    if (unit < units_.size() && units_[unit] == kMany) {
      restart_unit = ++unit;
      restart_at = at;
      if (unit == units_.size()) {
        return true;
      }
    } else if (unit < units_.size() && at < text.size() && units_[unit] == kOne) {
      at = NextCharacter(text, at);
      ++unit;
      continue;
    } else if (unit < units_.size() && at < text.size() &&
               units_[unit] == static_cast<unsigned char>(text[at])) {
      ++at;
      ++unit;
      continue;
    } else if (unit == units_.size() && at == text.size()) {
      return true;
    } else {
      if (restart_unit == kNone || restart_at >= text.size()) {
        return false;
      }
      restart_at = NextCharacter(text, restart_at);
    }
    // Begin again after %; a literal byte there is found at once. It starts a character, so it
    // cannot be found in the middle of one.
    unit = restart_unit;
    if (units_[unit] < kOne) {
      const void* found =
          std::memchr(text.data() + restart_at, units_[unit], text.size() - restart_at);
      if (found == nullptr) {
        return false;
      }
      restart_at = static_cast<size_t>(static_cast<const char*>(found) - text.data());
    }
    at = restart_at;
  }
}

}  // namespace leadline
