#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace leadline::index {

/// Rows met so far with their distances by code, of which the nearest `keep` matter, ties by lower
/// position. Appended to without a branch a row; made smaller when it is full. What remains does
/// not depend on the order of the appends. Thread-compatible.
class CandidateBuffer {
 public:
  /// Rows that one append may add.
  static constexpr size_t kMaxAppend = 256;

  /// REQUIRES: keep >= 1.
  void Reset(size_t keep) {
    keep_ = keep;
    size_ = 0;
    threshold_ = std::numeric_limits<float>::max();
    const size_t room = keep + std::max(keep, kMaxAppend) + kMaxAppend + kSlack;
    if (distances_.size() < room) {
      distances_.resize(room);
      positions_.resize(room);
    }
    full_ = keep + std::max(keep, kMaxAppend);
  }

  /// A row farther than this need not be appended.
  [[nodiscard]] float threshold() const { return threshold_; }

  /// Room for kMaxAppend elements and 16 more, which simd::CodeKernels::SelectNear may overwrite.
  [[nodiscard]] float* distances_end() { return distances_.data() + size_; }

  [[nodiscard]] uint32_t* positions_end() { return positions_.data() + size_; }

  /// Takes over `count` elements written at the ends, count <= kMaxAppend.
  void Added(size_t count) {
    size_ += count;
    if (size_ > full_) {
      Shrink();
    }
  }

  /// Drops all but the nearest; call before reading.
  void Shrink() {
    if (size_ <= keep_) {
      return;
    }
    keys_.resize(size_);
    for (size_t i = 0; i < size_; ++i) {
      keys_[i] = KeyOf(distances_[i], positions_[i]);
    }
    const auto nth = keys_.begin() + static_cast<std::ptrdiff_t>(keep_ - 1);
    std::nth_element(keys_.begin(), nth, keys_.end());
    threshold_ = DistanceOf(*nth);
    for (size_t i = 0; i < keep_; ++i) {
      distances_[i] = DistanceOf(keys_[i]);
      positions_[i] = static_cast<uint32_t>(keys_[i]);
    }
    size_ = keep_;
  }

  [[nodiscard]] size_t size() const { return size_; }

  [[nodiscard]] float* distances() { return distances_.data(); }

  [[nodiscard]] uint32_t* positions() { return positions_.data(); }

 private:
  static constexpr size_t kSlack = 16;

  /// An integer that sorts by distance, then position.
  static uint64_t KeyOf(float distance, uint32_t position) {
    const auto bits = std::bit_cast<uint32_t>(distance);
    const uint32_t monotone = bits ^ ((0U - (bits >> 31)) | 0x80000000U);
    return (uint64_t{monotone} << 32) | position;
  }

  static float DistanceOf(uint64_t key) {
    const auto monotone = static_cast<uint32_t>(key >> 32);
    return std::bit_cast<float>(monotone ^ (((monotone >> 31) - 1U) | 0x80000000U));
  }

  size_t keep_ = 1;
  size_t size_ = 0;
  size_t full_ = 0;
  float threshold_ = std::numeric_limits<float>::max();
  std::vector<float> distances_;
  std::vector<uint32_t> positions_;
  std::vector<uint64_t> keys_;
};

}  // namespace leadline::index
