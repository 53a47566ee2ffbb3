#include "group_minima.h"

#include <algorithm>
#include <limits>

namespace leadline::index {
namespace {

/// Rows looked at twice, and what share of all they may be.
constexpr size_t kMostFirstRows = 4096;
constexpr size_t kShare = 8;
/// Groups for each of the k: fewer bound worse, more take longer.
constexpr size_t kGroupsEach = 4;

}  // namespace

GroupMinima::GroupMinima(size_t k, size_t rows, size_t tile_rows)
    : k_(k),
      rows_(std::min(rows / kShare, kMostFirstRows) / tile_rows * tile_rows),
      tile_rows_(tile_rows) {
  if (k > rows_ / kGroupsEach) {
    rows_ = 0;
    return;
  }
  group_rows_ = std::min(tile_rows, rows_ / (kGroupsEach * k));
  while (tile_rows % group_rows_ != 0) {
    --group_rows_;
  }
}

void GroupMinima::Start(size_t lanes) {
  lanes_ = lanes;
  minima_.clear();
}

void GroupMinima::Add(const float* distances) {
  for (size_t begin = 0; begin < tile_rows_; begin += group_rows_) {
    minima_.resize(minima_.size() + lanes_, std::numeric_limits<float>::infinity());
    float* smallest = minima_.data() + minima_.size() - lanes_;
    for (size_t r = begin; r < begin + group_rows_; ++r) {
      const float* row = distances + r * lanes_;
      for (size_t l = 0; l < lanes_; ++l) {
        smallest[l] = row[l] < smallest[l] ? row[l] : smallest[l];
      }
    }
  }
}

float GroupMinima::BoundOf(size_t lane) {
  of_lane_.clear();
  for (size_t i = lane; i < minima_.size(); i += lanes_) {
    of_lane_.push_back(minima_[i]);
  }
  const auto kth = of_lane_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
  std::nth_element(of_lane_.begin(), kth, of_lane_.end());
  return *kth;
}

}  // namespace leadline::index
