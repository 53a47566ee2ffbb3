#include "byte_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "leadline/core/round_up.h"
#include "leadline/simd/tile_kernels.h"

namespace leadline::index {
namespace {

/// Sum of term(i) over i < n: sixteen running sums that a compiler puts into registers, then added
/// pairwise.
template <class Term>
float FixedSum(size_t n, Term term) {
  constexpr size_t kSums = 16;
  float sums[kSums] = {};
  size_t i = 0;
  for (; i + kSums <= n; i += kSums) {
    for (size_t j = 0; j < kSums; ++j) {
      sums[j] += term(i + j);
    }
  }
  for (size_t j = 0; i < n; ++i, ++j) {
    sums[j] += term(i);
  }
  for (size_t half = kSums / 2; half > 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) {
      sums[j] += sums[j + half];
    }
  }
  return sums[0];
}

/// The nearest whole number, ties to even, of |value| < 2^22: adding this constant leaves no bits
/// for a fraction.
float RoundToWhole(float value) {
  constexpr float kShift = 12'582'912.0F;  // 1.5 * 2^23
  return (value + kShift) - kShift;
}

}  // namespace

size_t ByteRowStride(size_t dim) {
  return RoundUp(dim, simd::kPackedStep);
}

ByteRowTerms EncodeByteRow(const float* row, const float* centre, size_t dim, float* centred,
                           uint8_t* codes) {
  float largest[8] = {};
  for (size_t i = 0; i < dim; ++i) {
    centred[i] = row[i] - centre[i];
  }
  size_t at = 0;
  for (; at + 8 <= dim; at += 8) {
    for (size_t j = 0; j < 8; ++j) {
      const float magnitude = std::fabs(centred[at + j]);
      largest[j] = largest[j] < magnitude ? magnitude : largest[j];
    }
  }
  for (; at < dim; ++at) {
    largest[0] = std::max(largest[0], std::fabs(centred[at]));
  }
  const float most = *std::max_element(largest, largest + 8);
  ByteRowTerms terms;
  // Below it a scale has no inverse in f32; such a row is its centre.
  constexpr float kLeastMagnitude = 1e-30F;
  const float inverse = most > kLeastMagnitude ? 127.0F / most : 0.0F;
  const float scale = most > kLeastMagnitude ? most / 127.0F : 0.0F;
  terms.scale = scale;
  for (size_t i = 0; i < dim; ++i) {
    codes[i] = static_cast<uint8_t>(static_cast<int>(RoundToWhole(centred[i] * inverse)) + 128);
  }
  std::fill(codes + dim, codes + ByteRowStride(dim), uint8_t{128});
  terms.norm = FixedSum(dim, [centred](size_t i) { return centred[i] * centred[i]; });
  terms.error = FixedSum(dim, [centred, codes, scale](size_t i) {
    const float lost = centred[i] - scale * static_cast<float>(codes[i] - 128);
    return lost * lost;
  });
  return terms;
}

float FixedSquaredDistance(const float* a, const float* b, size_t dim) {
  return FixedSum(dim, [a, b](size_t i) {
    const float difference = a[i] - b[i];
    return difference * difference;
  });
}

}  // namespace leadline::index
