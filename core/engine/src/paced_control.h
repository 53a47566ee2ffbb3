#pragma once

#include <cstddef>

#include "leadline/core/call_control.h"

namespace leadline::engine {

/// Says when a loop over rows has to look at its control again: after kCheckInterval comparisons or
/// 1 MiB of bytes taken apart, whichever comes first, and before the first of either.
/// Thread-compatible.
class PacedControl {
 public:
  explicit PacedControl(const CallControl& control) : control_(control) {}

  /// Call before each piece of work. kCancelled, kDeadlineExceeded.
  Status Before(size_t comparisons, size_t bytes) {
    if (comparisons_ < CallControl::kCheckInterval && bytes_ < kCheckBytes) {
      comparisons_ += comparisons;
      bytes_ += bytes;
      return {};
    }
    comparisons_ = comparisons;
    bytes_ = bytes;
    return control_.Check();
  }

 private:
  static constexpr size_t kCheckBytes = size_t{1} << 20;

  const CallControl& control_;
  size_t comparisons_ = CallControl::kCheckInterval;
  size_t bytes_ = 0;
};

}  // namespace leadline::engine
