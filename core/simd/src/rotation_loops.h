#pragma once

// Loops over plain floats, which the compiler turns into whichever registers a level has. Internal
// linkage: compiled several times (see kernel_loops.h).

#include <cstddef>

#include "leadline/simd/code_kernels.h"

namespace {

/// Values that stay side by side in every loop below.
inline constexpr size_t kSideBySide = 16;
inline constexpr float kRootOfHalf = 0.70710678F;

/// Sums and differences of the halves, taken in turn: what `in` pairs at a distance of n / 2 `out`
/// has next to each other.
inline void InterleaveHalves(const float* __restrict in, size_t n, float* __restrict out) {
  const float* second = in + n / 2;
  for (size_t i = 0; i < n / 2; ++i) {
    out[2 * i] = in[i] + second[i];
    out[2 * i + 1] = in[i] - second[i];
  }
}

/// Sums and differences of n / 2 values and the n / 2 behind them, in place.
inline void AddHalves(float* values, size_t n, float factor) {
  float* __restrict first = values;
  float* __restrict second = values + n / 2;
  for (size_t i = 0; i < n / 2; ++i) {
    const float sum = first[i] + second[i];
    const float difference = first[i] - second[i];
    first[i] = sum * factor;
    second[i] = difference * factor;
  }
}

/// A Hadamard transform of n values, a power of two from 32 on, of length one; `room` has n floats.
/// Interleaving takes the first four steps without looking inside a register.
inline void Hadamard(float* values, size_t n, float* room) {
  InterleaveHalves(values, n, room);
  InterleaveHalves(room, n, values);
  InterleaveHalves(values, n, room);
  InterleaveHalves(room, n, values);
  float factor = 0.25F;
  for (size_t pair = 2 * kSideBySide; pair <= n; pair *= 2) {
    const float last = pair == n ? factor * kRootOfHalf : 1.0F;
    for (size_t at = 0; at < n; at += pair) {
      AddHalves(values + at, pair, last);
    }
    factor *= kRootOfHalf;
  }
}

inline void RotateValues(const float* signs, size_t dim, size_t rounds, float* values,
                         float* room) {
  size_t width = 2 * kSideBySide;
  while (2 * width <= dim) {
    width *= 2;
  }
  for (size_t round = 0; round < rounds; ++round, signs += dim) {
    for (size_t i = 0; i < dim; ++i) {
      values[i] *= signs[i];
    }
    if (width < dim) {
      AddHalves(values, dim, kRootOfHalf);
    }
    Hadamard(round % 2 == 0 ? values : values + (dim - width), width, room);
  }
}

}  // namespace
