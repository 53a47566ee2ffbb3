#pragma once

/// Numbers of payloads and filters, ordered by their exact value.

#include <compare>
#include <cstdint>
#include <string>

namespace leadline {

/// An integer in [-2^63, 2^64) or any other finite double, in one canonical form per value, so that
/// 2^53 + 1 differs from 2^53, 1.0 equals 1 and -0.0 equals 0. Immutable value.
class ExactNumber {
 public:
  /// Persisted in payload columns: never renumber.
  enum class Kind : uint8_t {
    kInt = 1,       ///< integer in [-2^63, 2^63)
    kUnsigned = 2,  ///< integer in [2^63, 2^64)
    kDouble = 3,    ///< finite, and neither of the above
  };

  ExactNumber() = default;

  static ExactNumber FromInt(int64_t value);
  static ExactNumber FromUnsigned(uint64_t value);
  /// `value` must be finite.
  static ExactNumber FromDouble(double value);
  /// Rebuilds a persisted value; false when kind and bits are not a canonical number.
  static bool FromBits(uint8_t kind, uint64_t bits, ExactNumber* number);

  [[nodiscard]] Kind kind() const { return kind_; }

  /// Two's complement, unsigned or IEEE 754 bits, by kind().
  [[nodiscard]] uint64_t bits() const { return bits_; }

  /// Shortest decimal text that reads back to the same value.
  [[nodiscard]] std::string ToString() const;

  friend bool operator==(const ExactNumber& a, const ExactNumber& b) = default;
  friend std::strong_ordering operator<=>(const ExactNumber& a, const ExactNumber& b);

 private:
  ExactNumber(Kind kind, uint64_t bits) : kind_(kind), bits_(bits) {}

  Kind kind_ = Kind::kInt;
  uint64_t bits_ = 0;
};

}  // namespace leadline
