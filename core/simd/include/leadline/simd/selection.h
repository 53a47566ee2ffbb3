#pragma once

/// Kernels that find the smallest of many distances: bookkeeping of a search, which costs as much
/// as the distances themselves where it goes row by row.

#include <cstddef>
#include <cstdint>

namespace leadline::simd {

/// One instruction-set level; all give equal answers. Values are not NaN. Immutable, thread-safe.
struct SelectionKernels {
  /// Number of values at or below `bound`.
  using CountAtMost = size_t (*)(const float* values, size_t n, float bound);

  /// Keeps the elements with values at or below `bound`, in order; returns how many. Writes
  /// nothing beyond element n.
  using KeepAtMost = size_t (*)(float* values, uint32_t* tags, size_t n, float bound);

  /// Writes first + i for each value i at or below `bound`, in order, to `positions`, which has
  /// room for n + 16; returns how many.
  using ListAtMost = size_t (*)(const float* values, size_t n, float bound, uint32_t first,
                                uint32_t* positions);

  /// Smallest and largest of n >= 1 values.
  using MinMax = void (*)(const float* values, size_t n, float* least, float* most);

  CountAtMost count_at_most;
  KeepAtMost keep_at_most;
  ListAtMost list_at_most;
  MinMax min_max;
};

}  // namespace leadline::simd
