#include "leadline/eval/latency.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace leadline::eval {

size_t LatencyHistogram::BucketOf(uint64_t value) {
  if (value < kCells) {
    return value;
  }
  // value >> shift lies in [kCells, 2 kCells).
  const size_t shift = static_cast<size_t>(std::bit_width(value)) - 1 - kCellBits;
  return (shift + 1) * kCells + static_cast<size_t>((value >> shift) - kCells);
}

uint64_t LatencyHistogram::MiddleOf(size_t bucket) {
  if (bucket < kCells) {
    return bucket;
  }
  const size_t shift = bucket / kCells - 1;
  const uint64_t low = (kCells + bucket % kCells) << shift;
  return low + ((uint64_t{1} << shift) - 1) / 2;
}

void LatencyHistogram::Record(uint64_t value) {
  ++counts_[BucketOf(value)];
  ++count_;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

double LatencyHistogram::mean() const {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

LatencyPercentile LatencyHistogram::Percentile(double percent) const {
  if (count_ == 0) {
    return {};
  }
  constexpr double kSamplesBeyond = 10;
  const double share = std::isnan(percent) ? 0.5 : std::clamp(percent, 0.0, 100.0) / 100;
  const auto n = static_cast<double>(count_);
  // The tolerance absorbs the rounding of 1 - .99.
  const bool reliable = n * std::min(share, 1 - share) >= kSamplesBeyond - 1e-6;
  const auto rank = static_cast<uint64_t>(std::max(1.0, std::ceil(share * n - 1e-9)));
  uint64_t seen = 0;
  for (size_t b = 0; b < kBuckets; ++b) {
    seen += counts_[b];
    if (seen >= rank) {
      return {std::clamp(MiddleOf(b), min_, max_), reliable};
    }
  }
  return {max_, reliable};
}

}  // namespace leadline::eval
