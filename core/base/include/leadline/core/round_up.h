#pragma once

#include <cstddef>

namespace leadline {

/// The least multiple of `unit` that is at least `value`.
/// REQUIRES: unit >= 1, value + unit does not overflow.
constexpr size_t RoundUp(size_t value, size_t unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace leadline
