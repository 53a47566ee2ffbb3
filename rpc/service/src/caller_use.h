#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "leadline/core/clock.h"
#include "leadline/core/mutex.h"

namespace leadline::rpc {

/// How much processor time the work of callers took lately, to tell who takes much more than the
/// others. Thread-safe.
class CallerUse {
 public:
  /// `clock` must outlive it.
  explicit CallerUse(Clock* clock) : clock_(clock) {}

  /// Work of `who` took `nanos`, and has ended now.
  void Add(const std::string& who, int64_t nanos);

  /// True where others had work lately, and `who` more than twice as much as they on average, and
  /// not just kSmallNanos.
  [[nodiscard]] bool IsAhead(const std::string& who);

  /// "Lately" is between one and two of these.
  static constexpr int64_t kWindowNanos = 100'000'000;
  static constexpr int64_t kSmallNanos = kWindowNanos / 20;

 private:
  struct Use {
    int64_t now = 0;     // nanoseconds in the window that runs
    int64_t before = 0;  // in the one before it
  };

  /// Begins a new window where the last is over.
  void Turn() LEADLINE_REQUIRES(mutex_);

  Clock* const clock_;
  Mutex mutex_;
  // Of those who had any in the two windows.
  std::unordered_map<std::string, Use> uses_ LEADLINE_GUARDED_BY(mutex_);
  int64_t total_ LEADLINE_GUARDED_BY(mutex_) = 0;
  int64_t window_nanos_ LEADLINE_GUARDED_BY(mutex_) = 0;  // when the one that runs began
};

}  // namespace leadline::rpc
