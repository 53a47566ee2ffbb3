#include "leadline/core/exact_number.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

namespace leadline {
namespace {

constexpr double kTwo63 = 9223372036854775808.0;
constexpr double kTwo64 = 18446744073709551616.0;

int Sign(std::strong_ordering order) {
  return std::is_lt(order) ? -1 : (std::is_gt(order) ? 1 : 0);
}

/// Compares an integer with a double that is no integer of [-2^63, 2^64).
std::strong_ordering CompareWithDouble(ExactNumber::Kind kind, uint64_t bits, double other) {
  if (other >= kTwo64) {
    return std::strong_ordering::less;
  }
  if (other < -kTwo63) {
    return std::strong_ordering::greater;
  }
  // Only a fraction is left, so |other| < 2^53 and its floor is an exact int64.
  const auto floor = static_cast<int64_t>(std::floor(other));
  if (kind == ExactNumber::Kind::kUnsigned) {
    return std::strong_ordering::greater;
  }
  return static_cast<int64_t>(bits) <= floor ? std::strong_ordering::less
                                             : std::strong_ordering::greater;
}

}  // namespace

ExactNumber ExactNumber::FromInt(int64_t value) {
  return {Kind::kInt, static_cast<uint64_t>(value)};
}

ExactNumber ExactNumber::FromUnsigned(uint64_t value) {
  const bool fits = value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  return {fits ? Kind::kInt : Kind::kUnsigned, value};
}

ExactNumber ExactNumber::FromDouble(double value) {
  if (value == std::trunc(value)) {
    if (value >= -kTwo63 && value < kTwo63) {
      return FromInt(static_cast<int64_t>(value));
    }
    if (value >= kTwo63 && value < kTwo64) {
      return FromUnsigned(static_cast<uint64_t>(value));
    }
  }
  return {Kind::kDouble, std::bit_cast<uint64_t>(value)};
}

bool ExactNumber::FromBits(uint8_t kind, uint64_t bits, ExactNumber* number) {
  switch (static_cast<Kind>(kind)) {
    case Kind::kInt:
      *number = FromInt(static_cast<int64_t>(bits));
      return true;
    case Kind::kUnsigned:
      *number = FromUnsigned(bits);
      return number->kind() == Kind::kUnsigned;
    case Kind::kDouble: {
      const auto value = std::bit_cast<double>(bits);
      if (!std::isfinite(value)) {
        return false;
      }
      *number = FromDouble(value);
      return number->kind() == Kind::kDouble;
    }
  }
  return false;
}

std::string ExactNumber::ToString() const {
  switch (kind_) {
    case Kind::kInt:
      return std::to_string(static_cast<int64_t>(bits_));
    case Kind::kUnsigned:
      return std::to_string(bits_);
    case Kind::kDouble:
      break;
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, std::bit_cast<double>(bits_)).ptr;
  return {buffer, end};
}

std::strong_ordering operator<=>(const ExactNumber& a, const ExactNumber& b) {
  using Kind = ExactNumber::Kind;
  if (a.kind_ == Kind::kDouble && b.kind_ == Kind::kDouble) {
    const auto x = std::bit_cast<double>(a.bits_);
    const auto y = std::bit_cast<double>(b.bits_);
    return x < y ? std::strong_ordering::less
                 : (x > y ? std::strong_ordering::greater : std::strong_ordering::equal);
  }
  if (b.kind_ == Kind::kDouble) {
    return CompareWithDouble(a.kind_, a.bits_, std::bit_cast<double>(b.bits_));
  }
  if (a.kind_ == Kind::kDouble) {
    return 0 <=> Sign(CompareWithDouble(b.kind_, b.bits_, std::bit_cast<double>(a.bits_)));
  }
  if (a.kind_ != b.kind_) {
    return a.kind_ == Kind::kInt ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  if (a.kind_ == Kind::kInt) {
    return static_cast<int64_t>(a.bits_) <=> static_cast<int64_t>(b.bits_);
  }
  return a.bits_ <=> b.bits_;
}

}  // namespace leadline
