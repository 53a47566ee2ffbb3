#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/segment_index.h"
#include "leadline/simd/distance.h"

namespace leadline::index {

/// Picks the lists a query visits: the nearest centroids by their 8-bit codes, put in order by full
/// precision. Immutable once made, thread-safe.
class ListChooser {
 public:
  /// Working memory of one thread.
  struct Scratch {
    RowQuery query;
    std::vector<int32_t> sums;
    std::vector<float> distances;
    std::vector<uint32_t> lists;
    std::vector<Neighbor> nearest;
  };

  /// `centroids` [nlist x dim], nlist >= 1, must outlive the object. Cost: codes every centroid.
  static Result<ListChooser> Make(MatrixView centroids, Metric metric);

  /// Leaves the `nprobe` <= nlist nearest lists in scratch->nearest with their distances to
  /// `centres` [nlist x dim] (the centroids, or what a list's codes start from), nearest first, ties
  /// by list number. The lists are equal at every SIMD level, their distances up to rounding.
  /// Cost: nlist distances by code, nprobe in full precision. Errors: kCancelled,
  /// kDeadlineExceeded.
  Status Choose(const float* query, size_t nprobe, MatrixView centres, const CallControl& control,
                Scratch* scratch) const;

  [[nodiscard]] size_t resident_bytes() const { return bytes_; }

 private:
  ListChooser(MatrixView centroids, Metric metric)
      : centroids_(centroids), distance_(metric, centroids.dim) {}

  void KeepNearest(size_t nprobe, Scratch* scratch) const;

  MatrixView centroids_;
  simd::MetricDistance distance_;
  std::shared_ptr<const char> storage_;  ///< 64-byte aligned
  size_t bytes_ = 0;
  RowCodes codes_;
};

}  // namespace leadline::index
