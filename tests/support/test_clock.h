#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <utility>

#include "leadline/core/clock.h"

namespace leadline::testing {

/// A clock that a test moves. Calls look at it right after they took their view and whenever they
/// check their deadline, so a test can act at exactly these moments, on the calling thread.
///
/// Threads: the hook belongs to the thread that set it; the rest is thread-safe.
class TestClock final : public Clock {
 public:
  int64_t UnixMillis() override {
    CallHook();
    return unix_millis.load();
  }

  int64_t MonotonicNanos() override {
    CallHook();
    return monotonic_nanos.fetch_add(nanos_per_look.load());
  }

  /// Calls `hook` with 1, 2, .. whenever this thread looks at the clock; what the hook does may
  /// look at the clock itself.
  void SetHook(std::function<void(int64_t look)> hook) {
    hook_ = std::move(hook);
    hook_thread_ = std::this_thread::get_id();
    looks_ = 0;
    hooked_ = true;
  }

  /// Removes the hook; returns how often it was called.
  int64_t ClearHook() {
    hooked_ = false;
    return looks_;
  }

  std::atomic<int64_t> unix_millis{1'700'000'000'000};
  std::atomic<int64_t> monotonic_nanos{1};
  std::atomic<int64_t> nanos_per_look{1};

 private:
  void CallHook() {
    if (hooked_ && hook_thread_ == std::this_thread::get_id() && !inside_hook_) {
      inside_hook_ = true;
      hook_(++looks_);
      inside_hook_ = false;
    }
  }

  std::atomic<bool> hooked_{false};
  std::function<void(int64_t)> hook_;
  std::thread::id hook_thread_;
  int64_t looks_ = 0;
  bool inside_hook_ = false;
};

}  // namespace leadline::testing
