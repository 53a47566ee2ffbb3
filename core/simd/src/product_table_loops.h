#pragma once

// Loops over the sixteen entries of a part, which the compiler turns into whichever registers a
// level has. Internal linkage: compiled several times (see kernel_loops.h).

#include <cstddef>
#include <cstdint>

namespace {

inline constexpr size_t kEntries = 16;

/// Least and largest of sixteen values.
inline void EntryRange(const float* values, float* least, float* most) {
  float low[kEntries / 2];
  float high[kEntries / 2];
  for (size_t i = 0; i < kEntries / 2; ++i) {
    const float a = values[i];
    const float b = values[i + kEntries / 2];
    low[i] = a < b ? a : b;
    high[i] = a < b ? b : a;
  }
  for (size_t half = kEntries / 4; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) {
      low[i] = low[i + half] < low[i] ? low[i + half] : low[i];
      high[i] = high[i + half] > high[i] ? high[i + half] : high[i];
    }
  }
  *least = low[0];
  *most = high[0];
}

inline float Magnitude(float value) {
  return value < 0 ? -value : value;
}

/// How far a value lies below zero.
inline float Below(float value) {
  return value < 0 ? -value : 0.0F;
}

inline void ProductTable(const float* query, size_t dim, const float* codewords, size_t width,
                         float factor, float* values, uint8_t* table, float* base, float* step) {
  // Below this the entries would not survive the division, and tell nothing apart anyway.
  constexpr float kLeastRange = 1e-30F;
  const size_t parts = (dim + width - 1) / width;
  float widest = 0;
  float sum = 0;
  for (size_t part = 0; part < parts; ++part) {
    const size_t first = part * width;
    const size_t count = width < dim - first ? width : dim - first;
    const float* words = codewords + first * kEntries;
    float entries[kEntries] = {};
    for (size_t w = 0; w < count; ++w) {
      const float value = factor * query[first + w];
      for (size_t c = 0; c < kEntries; ++c) {
        entries[c] += value * words[w * kEntries + c];
      }
    }
    float least = 0;
    float most = 0;
    EntryRange(entries, &least, &most);
    widest = most - least > widest ? most - least : widest;
    sum += least;
    for (size_t c = 0; c < kEntries; ++c) {
      values[part * kEntries + c] = entries[c] - least;
    }
  }
  const bool apart = widest > kLeastRange;
  const float inverse = apart ? 255.0F / widest : 0.0F;
  for (size_t i = 0; i < parts * kEntries; ++i) {
    const float scaled = values[i] * inverse + 0.5F;
    table[i] = static_cast<uint8_t>(static_cast<int32_t>(scaled < 255.0F ? scaled : 255.0F));
  }
  *base = sum;
  *step = apart ? widest / 255.0F : 0.0F;
}

/// Entries from the sum of what lowers them all and the four values that a set bit adds.
inline void SignEntries(float lowest, const float* steps, size_t stride, uint8_t* table) {
  static constexpr float kBits[4][kEntries] = {{0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1},
                                               {0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1},
                                               {0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1},
                                               {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}};
  for (size_t c = 0; c < kEntries; ++c) {
    const float first = kBits[0][c] * steps[0] + kBits[1][c] * steps[stride];
    const float second = kBits[2][c] * steps[2 * stride] + kBits[3][c] * steps[3 * stride];
    const float entry = lowest + (first + second);
    table[c] = static_cast<uint8_t>(static_cast<int32_t>(entry < 255.0F ? entry : 255.0F));
  }
}

inline void SignTable(const float* values, size_t dim, float* room, uint8_t* table, float* base,
                      float* step) {
  constexpr float kLeastRange = 1e-30F;
  constexpr size_t kSums = 8;
  const size_t parts = dim / 4;
  float widest[kSums] = {};
  float sums[kSums] = {};
  for (size_t part = 0; part < parts; part += kSums) {
    for (size_t j = 0; j < kSums; ++j) {
      const float* value = values + part + j;
      const float size = (Magnitude(value[0]) + Magnitude(value[parts])) +
                         (Magnitude(value[2 * parts]) + Magnitude(value[3 * parts]));
      widest[j] = widest[j] < size ? size : widest[j];
      sums[j] += size;
    }
  }
  for (size_t half = kSums / 2; half > 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) {
      widest[j] = widest[j] < widest[j + half] ? widest[j + half] : widest[j];
      sums[j] += sums[j + half];
    }
  }
  const bool apart = widest[0] > kLeastRange;
  const float inverse = apart ? 255.0F / widest[0] : 0.0F;
  float* lowest = room + dim;
  for (size_t i = 0; i < dim; ++i) {
    room[i] = values[i] * inverse;
  }
  for (size_t part = 0; part < parts; ++part) {
    const float* value = room + part;
    lowest[part] = 0.5F + ((Below(value[0]) + Below(value[parts])) +
                           (Below(value[2 * parts]) + Below(value[3 * parts])));
  }
  for (size_t part = 0; part < parts; ++part) {
    SignEntries(lowest[part], room + part, parts, table + part * kEntries);
  }
  *base = -sums[0];
  *step = apart ? 2 * (widest[0] / 255.0F) : 0.0F;
}

}  // namespace
