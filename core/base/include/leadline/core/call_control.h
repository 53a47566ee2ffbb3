#pragma once

#include <cstdint>

#include "leadline/core/clock.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"

namespace leadline {

/// When a running call has to stop. Copyable; borrows its pointers for the length of the call.
/// Loops ask `Check` at least every kCheckInterval distance computations.
struct CallControl {
  static constexpr size_t kCheckInterval = 1024;

  const CancelToken* cancel = nullptr;
  /// A second token, of whoever owns what the call works on; null where nobody else may end it.
  const CancelToken* owner_cancel = nullptr;
  Clock* clock = nullptr;
  /// Clock::MonotonicNanos value after which the call fails; 0 means no deadline.
  int64_t deadline_nanos = 0;

  /// kCancelled, kDeadlineExceeded, or OK.
  [[nodiscard]] Status Check() const;
};

}  // namespace leadline
