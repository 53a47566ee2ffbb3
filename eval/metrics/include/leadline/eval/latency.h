#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace leadline::eval {

/// A percentile and whether enough samples lie beyond it to trust it.
struct LatencyPercentile {
  uint64_t value = 0;     ///< in the unit recorded; 0 without samples
  bool reliable = false;  ///< at least 10 samples beyond it are expected: p99 needs 1,000, p95 200
};

/// Distribution of durations in fixed memory (58 KiB), after Tene's HDR histogram: values below 128
/// are exact, above that each power of two has 128 equal cells, so a percentile is off by less than
/// 1% at any size. Record nanoseconds: microseconds would make small values coarse. Percentiles
/// use nearest rank. Warm-up must be left out by the caller. Thread-compatible.
class LatencyHistogram {
 public:
  void Record(uint64_t value);

  [[nodiscard]] uint64_t count() const { return count_; }

  /// Exact; 0 without samples.
  [[nodiscard]] double mean() const;

  [[nodiscard]] uint64_t min() const { return count_ == 0 ? 0 : min_; }

  [[nodiscard]] uint64_t max() const { return max_; }

  /// `percent` in [0, 100], clamped.
  [[nodiscard]] LatencyPercentile Percentile(double percent) const;

 private:
  static constexpr size_t kCellBits = 7;
  static constexpr size_t kCells = size_t{1} << kCellBits;
  static constexpr size_t kBuckets = (64 - kCellBits + 1) * kCells;

  static size_t BucketOf(uint64_t value);
  static uint64_t MiddleOf(size_t bucket);

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t count_ = 0;
  uint64_t min_ = UINT64_MAX;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace leadline::eval
