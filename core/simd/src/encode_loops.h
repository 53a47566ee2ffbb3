#pragma once

// Loops over plain floats, which the compiler turns into whichever registers a level has. Internal
// linkage: compiled several times (see kernel_loops.h).

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "leadline/simd/code_kernels.h"

namespace {

/// Eight at a time: two, four or eight of them in a register. A compiler left alone does not keep
/// running sums there.
using Floats = float __attribute__((vector_size(32)));
using Doubles = double __attribute__((vector_size(64)));
inline constexpr size_t kTogether = 8;

/// By address: how vectors are passed differs between levels.
inline void Load(const float* values, Floats* loaded) {
  std::memcpy(loaded, values, sizeof *loaded);
}

/// Loads the last values of [0, n) and zeros.
inline void LoadRest(const float* values, size_t i, size_t n, Floats* loaded) {
  *loaded = Floats{};
  std::memcpy(loaded, values + i, (n - i) * sizeof(float));
}

/// The sum of running sums, pairwise: equal bits at every level.
inline double TotalOf(const Doubles& sums) {
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

inline leadline::simd::SignSums SignCodesOf(const float* __restrict turned,
                                            const float* __restrict from, size_t dim,
                                            uint8_t* __restrict codes) {
  const size_t parts = dim / 4;
  for (size_t part = 0; part < parts; ++part) {
    const int code = (turned[part] >= 0 ? 1 : 0) | (turned[parts + part] >= 0 ? 2 : 0) |
                     (turned[2 * parts + part] >= 0 ? 4 : 0) |
                     (turned[3 * parts + part] >= 0 ? 8 : 0);
    codes[part] = static_cast<uint8_t>(code);
  }
  Doubles square = {};
  Doubles magnitudes = {};
  Doubles along = {};
  for (size_t i = 0; i < dim; i += kTogether) {
    Floats values;
    Floats others;
    Load(turned + i, &values);
    Load(from + i, &others);
    const Doubles exact = __builtin_convertvector(values, Doubles);
    square += exact * exact;
    magnitudes += __builtin_convertvector(values >= 0 ? values : -values, Doubles);
    along += __builtin_convertvector(values >= 0 ? others : -others, Doubles);
  }
  return {TotalOf(square), TotalOf(magnitudes), TotalOf(along)};
}

inline void AddProjection(const Floats& row, const Floats& base, Doubles* sums) {
  const Doubles exact = __builtin_convertvector(base, Doubles);
  *sums += exact * (__builtin_convertvector(row, Doubles) - exact);
}

inline double ProjectionOf(const float* row, const float* base, size_t dim) {
  Doubles sums = {};
  Floats values;
  Floats bases;
  size_t i = 0;
  for (; i + kTogether <= dim; i += kTogether) {
    Load(row + i, &values);
    Load(base + i, &bases);
    AddProjection(values, bases, &sums);
  }
  if (i < dim) {
    LoadRest(row, i, dim, &values);
    LoadRest(base, i, dim, &bases);
    AddProjection(values, bases, &sums);
  }
  return TotalOf(sums);
}

using Bytes = uint8_t __attribute__((vector_size(8)));

inline void AddLoss(const Floats& row, const Floats& mean, const Bytes& codes, double scale,
                    Doubles* sums) {
  const Doubles steps = __builtin_convertvector(codes, Doubles) - 128.0;
  const Doubles lost = __builtin_convertvector(row, Doubles) -
                       __builtin_convertvector(mean, Doubles) - scale * steps;
  *sums += lost * lost;
}

/// The sum of squares of what the codes of a row lose.
inline double LossOf(const float* row, const float* mean, const uint8_t* codes, float scale,
                     size_t dim) {
  Doubles sums = {};
  Floats values;
  Floats means;
  Bytes numbers;
  size_t i = 0;
  for (; i + kTogether <= dim; i += kTogether) {
    Load(row + i, &values);
    Load(mean + i, &means);
    std::memcpy(&numbers, codes + i, sizeof numbers);
    AddLoss(values, means, numbers, double{scale}, &sums);
  }
  if (i < dim) {
    LoadRest(row, i, dim, &values);
    LoadRest(mean, i, dim, &means);
    numbers = Bytes{128, 128, 128, 128, 128, 128, 128, 128};
    std::memcpy(&numbers, codes + i, dim - i);
    AddLoss(values, means, numbers, double{scale}, &sums);
  }
  return TotalOf(sums);
}

/// As integers magnitudes have the same order, and a maximum that may be taken in any.
inline float LargestOf(const float* values, size_t n) {
  constexpr int32_t kMagnitude = 0x7FFFFFFF;
  int32_t largest = 0;
  for (size_t i = 0; i < n; ++i) {
    const int32_t magnitude = std::bit_cast<int32_t>(values[i]) & kMagnitude;
    largest = largest < magnitude ? magnitude : largest;
  }
  return std::bit_cast<float>(largest);
}

inline leadline::simd::ByteSums ByteCodesOf(const float* __restrict row,
                                            const float* __restrict mean, size_t dim,
                                            float* __restrict centred, uint8_t* __restrict codes) {
  constexpr float kSteps = 127.0F;
  for (size_t i = 0; i < dim; ++i) {
    centred[i] = row[i] - mean[i];
  }
  const float scale = LargestOf(centred, dim) / kSteps;
  const double exact_inverse = scale > 0 ? 1.0 / double{scale} : 0.0;
  const float inverse = exact_inverse < 1e38 ? static_cast<float>(exact_inverse) : 0.0F;
  if (inverse == 0) {
    for (size_t i = 0; i < dim; ++i) {
      codes[i] = 128;
    }
    return {};
  }
  for (size_t i = 0; i < dim; ++i) {
    // Truncation of a positive number rounds to nearest; the bounds guard the last bit.
    const float steps = centred[i] * inverse;
    const float low = steps < -kSteps ? -kSteps : steps;
    const float shifted = (low > kSteps ? kSteps : low) + 128.5F;
    codes[i] = static_cast<uint8_t>(static_cast<int32_t>(shifted));
  }
  int32_t squares = 0;
  for (size_t i = 0; i < dim; ++i) {
    const int32_t number = codes[i] - 128;
    squares += number * number;
  }
  return {scale, squares, LossOf(row, mean, codes, scale, dim)};
}

/// Sixteen running sums in f32, added pairwise.
using Wide = float __attribute__((vector_size(64)));
using WideBytes = uint8_t __attribute__((vector_size(16)));
using WideIntegers = int32_t __attribute__((vector_size(64)));
inline constexpr size_t kWide = 16;

inline void LoadWide(const float* values, size_t i, size_t n, Wide* loaded) {
  if (i + kWide <= n) {
    std::memcpy(loaded, values + i, sizeof *loaded);
  } else {
    *loaded = Wide{};
    std::memcpy(loaded, values + i, (n - i) * sizeof(float));
  }
}

inline float FoldedSum(const Wide& sums) {
  float folded[kWide];
  std::memcpy(folded, &sums, sizeof folded);
  for (size_t half = kWide / 2; half > 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) {
      folded[j] += folded[j + half];
    }
  }
  return folded[0];
}

inline float SquaredDistanceOf(const float* a, const float* b, size_t n) {
  Wide sums = {};
  Wide left;
  Wide right;
  for (size_t i = 0; i < n; i += kWide) {
    LoadWide(a, i, n, &left);
    LoadWide(b, i, n, &right);
    const Wide difference = left - right;
    sums += difference * difference;
  }
  return FoldedSum(sums);
}

inline leadline::simd::RowSums ByteRowOf(const float* __restrict row,
                                         const float* __restrict centre, size_t n,
                                         float* __restrict centred, uint8_t* __restrict codes) {
  for (size_t i = 0; i < n; ++i) {
    centred[i] = row[i] - centre[i];
  }
  const float most = LargestOf(centred, n);
  // Below it a scale has no inverse in f32; such a row is its centre.
  constexpr float kLeastMagnitude = 1e-30F;
  const float inverse = most > kLeastMagnitude ? 127.0F / most : 0.0F;
  const float scale = most > kLeastMagnitude ? most / 127.0F : 0.0F;
  // Adding it leaves no bits for a fraction: the nearest whole number, ties to even.
  constexpr float kShift = 12'582'912.0F;  // 1.5 * 2^23
  Wide norm = {};
  Wide error = {};
  Wide values;
  for (size_t i = 0; i < n; i += kWide) {
    LoadWide(centred, i, n, &values);
    const Wide steps = (values * inverse + kShift) - kShift;
    const WideBytes numbers =
        __builtin_convertvector(__builtin_convertvector(steps, WideIntegers) + 128, WideBytes);
    std::memcpy(codes + i, &numbers, i + kWide <= n ? kWide : n - i);
    norm += values * values;
    const Wide lost = values - steps * scale;
    error += lost * lost;
  }
  return {scale, FoldedSum(norm), FoldedSum(error)};
}

}  // namespace
