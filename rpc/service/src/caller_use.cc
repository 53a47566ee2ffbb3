#include "caller_use.h"

#include <iterator>

namespace leadline::rpc {

void CallerUse::Add(const std::string& who, int64_t nanos) {
  MutexLock lock(&mutex_);
  Turn();
  uses_[who].now += nanos;
  total_ += nanos;
}

bool CallerUse::IsAhead(const std::string& who) {
  MutexLock lock(&mutex_);
  Turn();
  const auto found = uses_.find(who);
  if (uses_.size() < 2 || found == uses_.end()) {
    return false;
  }
  const int64_t own = found->second.now + found->second.before;
  const auto others = static_cast<int64_t>(uses_.size() - 1);
  return own > kSmallNanos && own / 2 > (total_ - own) / others;
}

void CallerUse::Turn() {
  const int64_t windows = (clock_->MonotonicNanos() - window_nanos_) / kWindowNanos;
  if (windows == 0) {
    return;
  }
  window_nanos_ += windows * kWindowNanos;
  for (auto use = uses_.begin(); use != uses_.end();) {
    const int64_t before = windows == 1 ? use->second.now : 0;
    total_ -= use->second.now + use->second.before - before;
    use->second = {.now = 0, .before = before};
    use = before == 0 ? uses_.erase(use) : std::next(use);
  }
}

}  // namespace leadline::rpc
