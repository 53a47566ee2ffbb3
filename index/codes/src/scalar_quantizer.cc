#include "scalar_quantizer.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace leadline::index {
namespace {

constexpr float kSteps8 = 127.0F;
constexpr float kHalf4 = 7.5F;

/// 1 / scale without overflow, or 0 where the scale is too small to divide by.
float Inverse(float scale) {
  const double inverse = scale > 0 ? 1.0 / static_cast<double>(scale) : 0.0;
  return inverse < 1e38 ? static_cast<float>(inverse) : 0.0F;
}

/// Code of `scaled` = value / scale: the nearest of -7.5, -6.5 ... 7.5, counted from 0.
float Code4(float scaled) {
  return std::floor(std::clamp(scaled, -kHalf4, kHalf4) + 8.0F);
}

/// Sum of squared errors over `values` at `scale`.
float Error4(const float* values, size_t n, float scale, float inverse) {
  float sum = 0;
  for (size_t i = 0; i < n; ++i) {
    const float code = std::min(Code4(values[i] * inverse), 15.0F);
    const float error = values[i] - scale * (code - kHalf4);
    sum += error * error;
  }
  return sum;
}

}  // namespace

float LargestMagnitude(const float* values, size_t n) {
  // As integers magnitudes have the same order, and a maximum that the compiler may take in any.
  constexpr int32_t kMagnitude = 0x7FFFFFFF;
  int32_t largest = 0;
  for (size_t i = 0; i < n; ++i) {
    largest = std::max(largest, std::bit_cast<int32_t>(values[i]) & kMagnitude);
  }
  return std::bit_cast<float>(largest);
}

float QuantizeSigned(const float* values, size_t n, int8_t* out) {
  const float scale = LargestMagnitude(values, n) / kSteps8;
  const float inverse = Inverse(scale);
  if (inverse == 0) {
    std::fill_n(out, n, int8_t{0});
    return 0;
  }
  for (size_t i = 0; i < n; ++i) {
    // Truncation of a positive number rounds to nearest; the clamp guards the last bit.
    const float shifted = std::clamp(values[i] * inverse, -kSteps8, kSteps8) + 128.5F;
    out[i] = static_cast<int8_t>(static_cast<int32_t>(shifted) - 128);
  }
  return scale;
}

float QuantizeSq8(const float* values, size_t n, uint8_t* out) {
  const float scale = QuantizeSigned(values, n, reinterpret_cast<int8_t*>(out));
  for (size_t i = 0; i < n; ++i) {
    out[i] ^= 0x80U;
  }
  return scale;
}

float QuantizeSq4(const float* values, size_t n, uint8_t* out) {
  // Cutting the largest values off makes the steps finer for all others.
  constexpr float kCuts[] = {1.0F, 0.95F, 0.9F, 0.85F, 0.8F, 0.75F, 0.7F, 0.65F, 0.6F, 0.55F};
  const float widest = LargestMagnitude(values, n) / kHalf4;
  float best_scale = 0;
  float best_error = 0;
  for (const float cut : kCuts) {
    const float scale = widest * cut;
    const float inverse = Inverse(scale);
    const float error = inverse == 0 ? 0 : Error4(values, n, scale, inverse);
    if (inverse != 0 && (best_scale == 0 || error < best_error)) {
      best_scale = scale;
      best_error = error;
    }
  }
  const float inverse = Inverse(best_scale);
  for (size_t i = 0; i < n; ++i) {
    out[i] = static_cast<uint8_t>(std::min(Code4(values[i] * inverse), 15.0F));
  }
  return best_scale;
}

}  // namespace leadline::index
