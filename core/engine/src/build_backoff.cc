#include "build_backoff.h"

#include <algorithm>

namespace leadline::engine {

void BuildBackoff::Failed(uint64_t lane, const Status& error, int64_t now_nanos) {
  const int64_t limit = lane == kSealLane ? kSealDelayLimitMs : kDelayLimitMs;
  MutexLock lock(&mutex_);
  Failure& failure = failures_[lane];
  failure.error = error.ToString();
  failure.failed_at = now_nanos;
  failure.delay_ms = failure.delay_ms == 0 ? kFirstDelayMs : std::min(2 * failure.delay_ms, limit);
  failure.retry_at = now_nanos + failure.delay_ms * 1'000'000;
}

void BuildBackoff::Succeeded(uint64_t lane, uint64_t first, uint64_t last) {
  MutexLock lock(&mutex_);
  failures_.erase(lane);
  failures_.erase(failures_.lower_bound(GroupLane(std::max<uint64_t>(first, 1))),
                  failures_.upper_bound(GroupLane(last)));
}

bool BuildBackoff::Waiting(uint64_t lane, int64_t now_nanos) const {
  MutexLock lock(&mutex_);
  const auto found = failures_.find(lane);
  return found != failures_.end() && now_nanos < found->second.retry_at;
}

std::string BuildBackoff::ErrorOf(uint64_t lane) const {
  MutexLock lock(&mutex_);
  const auto found = failures_.find(lane);
  return found == failures_.end() ? std::string() : found->second.error;
}

std::string BuildBackoff::LastError() const {
  MutexLock lock(&mutex_);
  const Failure* newest = nullptr;
  for (const auto& [lane, failure] : failures_) {
    if (newest == nullptr || failure.failed_at >= newest->failed_at) {
      newest = &failure;
    }
  }
  return newest == nullptr ? std::string() : newest->error;
}

}  // namespace leadline::engine
