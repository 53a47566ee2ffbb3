#pragma once

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "leadline/index/segment_index.h"

namespace leadline::index {

/// Keeps the k best neighbours offered so far, ties by ascending row, whatever the order of the
/// offers. Thread-compatible. Cost: O(log k) per accepted offer.
class TopK {
 public:
  /// REQUIRES: k >= 1.
  explicit TopK(size_t k) : k_(k) { heap_.reserve(std::min<size_t>(k, 1024)); }

  /// An offer with a larger distance cannot enter any more.
  [[nodiscard]] float threshold() const {
    return heap_.size() < k_ ? std::numeric_limits<float>::infinity() : heap_.front().distance;
  }

  void Offer(float distance, uint32_t row) {
    const Neighbor candidate{distance, row};
    if (heap_.size() < k_) {
      heap_.push_back(candidate);
      std::push_heap(heap_.begin(), heap_.end());
    } else if (candidate < heap_.front()) {
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.back() = candidate;
      std::push_heap(heap_.begin(), heap_.end());
    }
  }

  [[nodiscard]] size_t size() const { return heap_.size(); }

  /// Hands the neighbours over, nearest first; leaves the object empty.
  std::vector<Neighbor> Take() {
    std::sort_heap(heap_.begin(), heap_.end());
    return std::move(heap_);
  }

 private:
  size_t k_;
  std::vector<Neighbor> heap_;  // max-heap by operator<: the worst kept neighbour is at the front
};

}  // namespace leadline::index
