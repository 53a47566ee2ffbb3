#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "leadline/simd/level.h"

namespace leadline::index {

/// Rows met so far with their distances by code, of which the nearest `keep` matter, ties by lower
/// position. Appended to without a branch a row; made smaller when it is full. What remains does
/// not depend on the order of the appends. Thread-compatible; keeps its memory.
class CandidateBuffer {
 public:
  /// Rows that one append may add, unless Reset says less.
  static constexpr size_t kMaxAppend = 256;

  /// Starts anew; `append` is what one append may add at most. REQUIRES: keep >= 1.
  void Reset(size_t keep, size_t append = kMaxAppend);

  /// Goes on from what `other`, finished and keeping as many, has found.
  /// REQUIRES: nothing was appended yet.
  void TakeOver(const CandidateBuffer& other);

  /// A row farther than this need not be appended. Never infinite.
  [[nodiscard]] float threshold() const { return threshold_; }

  /// Room for one append and 16 elements more, which simd::CodeKernels::SelectNear may overwrite.
  [[nodiscard]] float* distances_end() { return distances_.data() + size_; }

  [[nodiscard]] uint32_t* positions_end() { return positions_.data() + size_; }

  /// Takes over `count` elements written at the ends.
  void Added(size_t count) {
    size_ += count;
    if (size_ > full_) {
      Shrink();
    }
  }

  /// Drops all but the nearest `keep`, in no order; call before reading.
  void Finish();

  [[nodiscard]] size_t size() const { return size_; }

  [[nodiscard]] float* distances() { return distances_.data(); }

  [[nodiscard]] uint32_t* positions() { return positions_.data(); }

 private:
  void Shrink();
  void CutTies();

  const simd::SelectionKernels& kernels_ = simd::CurrentLevel().selection;
  size_t keep_ = 1;
  size_t size_ = 0;
  size_t full_ = 0;  ///< more than this many elements are too many
  float threshold_ = std::numeric_limits<float>::max();
  std::vector<float> distances_;
  std::vector<uint32_t> positions_;
  std::vector<uint64_t> keys_;
};

/// A bound with at least `wanted` of `values` at or below it: the least such bound, or an earlier
/// one found on the way that `at_most` values satisfy. REQUIRES: 1 <= wanted <= n.
float BoundOfSmallest(const simd::SelectionKernels& kernels, const float* values, size_t n,
                      size_t wanted, size_t at_most);

/// The same where the smallest and the largest of `values` are known.
float BoundOfSmallestBetween(const simd::SelectionKernels& kernels, const float* values, size_t n,
                             size_t wanted, size_t at_most, float least, float most);

}  // namespace leadline::index
