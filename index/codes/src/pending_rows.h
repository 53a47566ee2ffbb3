#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "distance_bounds.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/segment_index.h"
#include "leadline/index/top_k.h"
#include "leadline/simd/distance.h"

namespace leadline::index {

/// The rows of one query's scan that may still be among the k nearest, known by the interval of
/// their distance. Holds a bounded number: where intervals cannot part them, full precision does.
/// What it answers does not depend on the order of the offers. Thread-compatible.
class PendingRows {
 public:
  /// Rows farther than `farthest` are out from the start. REQUIRES: k >= 1.
  PendingRows(size_t k, float farthest);

  /// Where full precision comes from. Borrowed.
  struct Source {
    const simd::MetricDistance& distance;
    MatrixView vectors;
    const float* query = nullptr;
    const RowCheck* check = nullptr;  ///< asked before rows are read, where there is one
  };

  /// Rows whose distance exceeds it are out.
  [[nodiscard]] float bound() const { return bound_; }

  /// Rows farther than `farthest` are out from now on.
  void Limit(float farthest) { bound_ = std::min(bound_, farthest); }

  /// Compares `rows` in full precision, to put what is farther than k of them out; they are not
  /// taken in.
  void LimitBy(const std::vector<uint32_t>& rows, const Source& source);

  /// Takes in row `row`. Looks at full precision only where thousands of rows are pending.
  void Offer(uint32_t row, const DistanceBounds::Interval& interval, const Source& source) {
    if (interval.lower > bound_) {
      return;
    }
    if (interval.upper < bound_ || uppers_.size() < k_) {
      KeepUpper(interval.upper);
    }
    pending_.push_back({interval.lower, row});
    if (pending_.size() >= full_) {
      Shrink(source);
    }
  }

  /// Compares what is pending in full precision, nearest lower end first, until none can be better;
  /// hands over the k nearest and what that cost. Leaves the object empty. Errors: those of
  /// Source::check, of this call or of an offer.
  Status Finish(const Source& source, SearchOutcome* out);

 private:
  struct Pending {
    float lower;
    uint32_t row;
  };

  void KeepUpper(float upper);
  void Shrink(const Source& source);
  void DropBeyondBound();
  void Rescore(const Source& source);
  void Compare(const std::vector<uint32_t>& rows, const Source& source, TopK* top);

  size_t k_;
  size_t full_;  ///< so many pending rows are too many
  float bound_ = std::numeric_limits<float>::infinity();
  std::vector<float> uppers_;  ///< max-heap of the k smallest upper ends
  std::vector<Pending> pending_;
  TopK top_;
  SearchStats stats_;
  Status failed_;
};

}  // namespace leadline::index
