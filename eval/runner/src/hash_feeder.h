#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "leadline/core/hash.h"

namespace leadline::eval {

/// Feeds values so that no two sequences of values give the same bytes.
class HashFeeder {
 public:
  void Number(uint64_t value) {
    std::array<char, 8> bytes{};
    for (size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<char>(value >> (8 * i));
    }
    hasher_.Update({bytes.data(), bytes.size()});
  }

  void Text(std::string_view text) {
    Number(text.size());
    hasher_.Update(text);
  }

  void Bits(float value) { Number(std::bit_cast<uint32_t>(value)); }

  [[nodiscard]] uint64_t Digest() const { return hasher_.Digest(); }

  /// The digest as 16 hex digits.
  [[nodiscard]] std::string HexDigest() const {
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(Digest()));
    return text.data();
  }

 private:
  Hasher hasher_;
};

}  // namespace leadline::eval
