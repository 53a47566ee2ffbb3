#include "leadline/core/clock.h"

#include <chrono>

namespace leadline {
namespace {

class SystemClock final : public Clock {
 public:
  int64_t UnixMillis() override {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  }

  int64_t MonotonicNanos() override {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  }
};

}  // namespace

Clock* Clock::System() {
  static SystemClock* const kClock = new SystemClock();
  return kClock;
}

}  // namespace leadline
