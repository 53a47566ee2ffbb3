#pragma once

// Plain loops for levels without an instruction that packs the wanted elements. Internal linkage:
// compiled several times with different instruction sets (see kernel_loops.h).

#include <cstddef>
#include <cstdint>

namespace {

inline size_t CountAtMost(const float* values, size_t n, float bound) {
  uint32_t count = 0;
  for (size_t i = 0; i < n; ++i) {
    count += values[i] <= bound ? 1U : 0U;
  }
  return count;
}

inline size_t KeepAtMost(float* values, uint32_t* tags, size_t n, float bound) {
  size_t kept = 0;
  for (size_t i = 0; i < n; ++i) {
    const float value = values[i];
    values[kept] = value;
    tags[kept] = tags[i];
    kept += value <= bound ? 1U : 0U;
  }
  return kept;
}

inline size_t ListAtMost(const float* values, size_t n, float bound, uint32_t first,
                         uint32_t* positions) {
  size_t listed = 0;
  for (size_t i = 0; i < n; ++i) {
    positions[listed] = first + static_cast<uint32_t>(i);
    listed += values[i] <= bound ? 1U : 0U;
  }
  return listed;
}

inline void MinMax(const float* values, size_t n, float* least, float* most) {
  float low = values[0];
  float high = values[0];
  for (size_t i = 1; i < n; ++i) {
    low = values[i] < low ? values[i] : low;
    high = values[i] > high ? values[i] : high;
  }
  *least = low;
  *most = high;
}

}  // namespace
