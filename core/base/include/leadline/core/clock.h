#pragma once

#include <cstdint>

namespace leadline {

/// Source of time, injected so that tests can move it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall-clock milliseconds since the Unix epoch; may jump. Used for expiry only.
  virtual int64_t UnixMillis() = 0;
  /// Nanoseconds of a clock that never goes back; origin unspecified.
  virtual int64_t MonotonicNanos() = 0;

  /// The system's clock; lives for the whole process.
  static Clock* System();
};

}  // namespace leadline
