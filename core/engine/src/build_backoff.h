#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "leadline/core/mutex.h"
#include "leadline/core/status.h"

namespace leadline::engine {

/// Builds of one collection that failed, and when each may be tried again.
///
/// A lane is what fails and waits by itself: sealing, merging, and each group that is built alone,
/// so that one group that cannot be rebuilt holds up nothing else. Thread-safe.
class BuildBackoff {
 public:
  static constexpr uint64_t kSealLane = 0;
  static constexpr uint64_t kMergeLane = 1;

  /// Lane of the group that starts at `first_ordinal`.
  static constexpr uint64_t GroupLane(uint64_t first_ordinal) { return 1 + first_ordinal; }

  /// First delay; doubled by each further failure up to a limit. Sealing is cheap and writers wait
  /// for it, so it is tried again soon.
  static constexpr int64_t kFirstDelayMs = 1'000;
  static constexpr int64_t kSealDelayLimitMs = 8'000;
  static constexpr int64_t kDelayLimitMs = 300'000;

  void Failed(uint64_t lane, const Status& error, int64_t now_nanos);
  /// A build in `lane` published ordinals [first, last]: forgets its failures and those of groups
  /// that it replaced.
  void Succeeded(uint64_t lane, uint64_t first, uint64_t last);
  /// True while `lane` must not be tried.
  [[nodiscard]] bool Waiting(uint64_t lane, int64_t now_nanos) const;
  /// Last error of `lane`, empty when its last build succeeded.
  [[nodiscard]] std::string ErrorOf(uint64_t lane) const;
  /// Newest error that no success has followed, over all lanes; empty without one.
  [[nodiscard]] std::string LastError() const;

 private:
  struct Failure {
    std::string error;
    int64_t failed_at = 0;
    int64_t retry_at = 0;
    int64_t delay_ms = 0;
  };

  mutable Mutex mutex_;
  std::map<uint64_t, Failure> failures_ LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace leadline::engine
