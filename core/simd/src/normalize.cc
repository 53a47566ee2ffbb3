#include "leadline/simd/normalize.h"

#include <bit>
#include <cmath>
#include <cstdint>

namespace leadline::simd {
namespace {

/// A non-finite element makes a sum of squares infinite or NaN, and a comparison false.
bool IsScalable(double squared_norm) {
  return squared_norm > 0 && squared_norm <= kMaxSquaredNorm;
}

}  // namespace

bool AllFinite(const float* values, size_t n) {
  // An exponent of all ones means infinity or NaN. No early exit: the common answer is true, and
  // the loop without branches runs at memory speed.
  constexpr uint32_t kExponent = 0x7F800000;
  uint32_t bad = 0;
  for (size_t i = 0; i < n; ++i) {
    bad |= static_cast<uint32_t>((std::bit_cast<uint32_t>(values[i]) & kExponent) == kExponent);
  }
  return bad == 0;
}

bool AllWithin(const float* values, size_t n, float limit) {
  // As integers magnitudes have the same order, and those of infinity and NaN come last.
  constexpr int32_t kMagnitude = 0x7FFFFFFF;
  const auto most = std::bit_cast<int32_t>(limit);
  int32_t beyond = 0;
  for (size_t i = 0; i < n; ++i) {
    beyond |= static_cast<int32_t>((std::bit_cast<int32_t>(values[i]) & kMagnitude) > most);
  }
  return beyond == 0;
}

double SquaredNorm(const float* values, size_t n) {
  // Four sums in a fixed order hide the latency of the addition. A float squared is exact in
  // double.
  double sums[4] = {0, 0, 0, 0};
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (size_t j = 0; j < 4; ++j) {
      const double value = values[i + j];
      sums[j] += value * value;
    }
  }
  for (; i < n; ++i) {
    const double value = values[i];
    sums[0] += value * value;
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

bool HasDirection(const float* values, size_t n) {
  return IsScalable(SquaredNorm(values, n));
}

bool NormalizeToUnit(const float* values, float* out, size_t n) {
  const double squared = SquaredNorm(values, n);
  if (!IsScalable(squared)) {
    return false;
  }
  const double norm = std::sqrt(squared);
  for (size_t i = 0; i < n; ++i) {
    out[i] = static_cast<float>(static_cast<double>(values[i]) / norm);
  }
  return true;
}

}  // namespace leadline::simd
