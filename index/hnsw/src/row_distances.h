#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "leadline/core/types.h"
#include "leadline/index/row_codes.h"
#include "leadline/simd/distance.h"

namespace leadline::index::hnsw {

// Distances from one vector to rows, as the search loop asks for them. Both classes borrow what
// they are made of, are cheap to make and thread-compatible.

/// In full precision.
class FullDistances {
 public:
  FullDistances(const simd::MetricDistance& distance, const float* vectors, const float* query)
      : distance_(distance), vectors_(vectors), query_(query) {}

  void To(const uint32_t* rows, size_t count, float* distances) const {
    distance_.Gather(query_, vectors_, rows, count, distances);
  }

  void Prefetch(uint32_t row) const {
    constexpr size_t kLineFloats = 16;
    // Vectors up to this many lines are fetched whole; of longer ones the first two, the hardware
    // follows (fetching all of 49 lines was slower than none).
    constexpr size_t kWholeVectorLines = 8;
    constexpr size_t kLongVectorLines = 2;
    const size_t dim = distance_.dim();
    const float* values = vectors_ + row * dim;
    const size_t floats =
        dim <= kWholeVectorLines * kLineFloats ? dim : kLongVectorLines * kLineFloats;
    for (size_t i = 0; i < floats; i += kLineFloats) {
      __builtin_prefetch(values + i);
    }
  }

 private:
  const simd::MetricDistance& distance_;
  const float* const vectors_;
  const float* const query_;
};

/// By the codes of the rows, plus a number that is the same for all.
class CodeDistances {
 public:
  CodeDistances(const RowCodes& codes, const RowQuery& query, int32_t* sums, float shift)
      : codes_(codes), query_(query), sums_(sums), shift_(shift) {}

  /// REQUIRES: count <= room in `sums`.
  void To(const uint32_t* rows, size_t count, float* distances) const {
    query_.Distances(rows, count, sums_, distances);
    if (shift_ != 0) {
      for (size_t i = 0; i < count; ++i) {
        distances[i] += shift_;
      }
    }
  }

  void Prefetch(uint32_t row) const { codes_.Prefetch(row); }

 private:
  const RowCodes& codes_;
  const RowQuery& query_;
  int32_t* const sums_;
  const float shift_;
};

}  // namespace leadline::index::hnsw
