#include "leadline/index/candidate_buffer.h"

#include <algorithm>
#include <bit>

namespace leadline::index {
namespace {

/// An integer that sorts like the float.
uint32_t OrderOf(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return bits ^ ((0U - (bits >> 31)) | 0x80000000U);
}

float ValueOf(uint32_t order) {
  return std::bit_cast<float>(order ^ (((order >> 31) - 1U) | 0x80000000U));
}

}  // namespace

float BoundOfSmallest(const simd::SelectionKernels& kernels, const float* values, size_t n,
                      size_t wanted, size_t at_most) {
  float least = 0;
  float most = 0;
  kernels.min_max(values, n, &least, &most);
  return BoundOfSmallestBetween(kernels, values, n, wanted, at_most, least, most);
}

float BoundOfSmallestBetween(const simd::SelectionKernels& kernels, const float* values, size_t n,
                             size_t wanted, size_t at_most, float least, float most) {
  // First by value, which halves the elements; then by bits, which ends for sure.
  for (int round = 0; round < 12; ++round) {
    const float middle = least + (most - least) / 2;
    const size_t below = kernels.count_at_most(values, n, middle);
    if (below >= wanted && below <= at_most) {
      return middle;
    }
    (below >= wanted ? most : least) = middle;
  }
  uint32_t low = OrderOf(least);
  uint32_t high = OrderOf(most);
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const size_t below = kernels.count_at_most(values, n, ValueOf(middle));
    if (below >= wanted && below <= at_most) {
      return ValueOf(middle);
    }
    if (below >= wanted) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return ValueOf(high);
}

void CandidateBuffer::Reset(size_t keep, size_t append) {
  constexpr size_t kSlack = 16;
  keep_ = keep;
  size_ = 0;
  threshold_ = std::numeric_limits<float>::max();
  full_ = keep + std::max(keep, append);
  const size_t room = full_ + append + kSlack;
  if (distances_.size() < room) {
    distances_.resize(room);
    positions_.resize(room);
  }
}

void CandidateBuffer::TakeOver(const CandidateBuffer& other) {
  std::copy_n(other.distances_.begin(), other.size_, distances_.begin());
  std::copy_n(other.positions_.begin(), other.size_, positions_.begin());
  size_ = other.size_;
  threshold_ = other.threshold_;
}

void CandidateBuffer::Shrink() {
  const size_t at_most = keep_ + keep_ / 4 + 8;
  threshold_ = BoundOfSmallest(kernels_, distances_.data(), size_, keep_, at_most);
  size_ = kernels_.keep_at_most(distances_.data(), positions_.data(), size_, threshold_);
  if (size_ > full_) {
    CutTies();
  }
}

void CandidateBuffer::Finish() {
  if (size_ <= keep_) {
    return;
  }
  threshold_ = BoundOfSmallest(kernels_, distances_.data(), size_, keep_, keep_);
  size_ = kernels_.keep_at_most(distances_.data(), positions_.data(), size_, threshold_);
  if (size_ > keep_) {
    CutTies();
  }
}

/// Many rows at one distance: the lower positions stay.
void CandidateBuffer::CutTies() {
  keys_.resize(size_);
  for (size_t i = 0; i < size_; ++i) {
    keys_[i] = (uint64_t{OrderOf(distances_[i])} << 32) | positions_[i];
  }
  std::nth_element(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(keep_ - 1),
                   keys_.end());
  for (size_t i = 0; i < keep_; ++i) {
    distances_[i] = ValueOf(static_cast<uint32_t>(keys_[i] >> 32));
    positions_[i] = static_cast<uint32_t>(keys_[i]);
  }
  size_ = keep_;
}

}  // namespace leadline::index
