#pragma once

#include <cstddef>
#include <cstdint>

namespace leadline::index {

/// Largest magnitude of `values` [n]; 0 for n == 0.
float LargestMagnitude(const float* values, size_t n);

/// Writes round(values / scale) to out, scale = largest magnitude / 127, and returns the scale; all
/// zeros and scale 0 where the magnitude is 0 or so small that its 127th part is.
float QuantizeSigned(const float* values, size_t n, int8_t* out);

/// Writes 128 + round(values / scale) to out, as QuantizeSigned chooses it.
float QuantizeSq8(const float* values, size_t n, uint8_t* out);

/// Writes codes u in [0, 15] to out with values ~ scale * (u - 7.5), of the scales tried the one
/// with the least squared error; returns the scale, 0 (and codes of no meaning) where all values
/// are.
float QuantizeSq4(const float* values, size_t n, uint8_t* out);

}  // namespace leadline::index
