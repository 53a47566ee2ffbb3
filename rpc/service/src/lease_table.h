#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "leadline/core/clock.h"
#include "leadline/core/database.h"
#include "leadline/core/mutex.h"
#include "leadline/core/status.h"

namespace leadline::rpc {

/// Snapshots that clients hold by name, until they let go or their lease runs out. Thread-safe.
class LeaseTable {
 public:
  static constexpr int64_t kDefaultMs = 60'000;
  static constexpr size_t kMaxLeases = 1'000;

  explicit LeaseTable(Clock* clock) : clock_(clock) {}

  /// The name of the lease, which cannot be guessed. kResourceExhausted over kMaxLeases.
  Result<std::string> Add(std::shared_ptr<const Snapshot> snapshot, int64_t lease_ms);
  /// The lease lasts `lease_ms` from now on. kNotFound once it has run out.
  Result<std::shared_ptr<const Snapshot>> Renew(const std::string& name, int64_t lease_ms);
  void Release(const std::string& name);
  /// kNotFound once the lease has run out. Null for an empty name.
  Result<std::shared_ptr<const Snapshot>> Find(const std::string& name);
  /// Lets go of what has run out. Called from time to time by whoever owns the table.
  void DropExpired();

 private:
  struct Lease {
    std::shared_ptr<const Snapshot> snapshot;
    int64_t expires_nanos = 0;
  };

  /// Null where there is none that lasts.
  Lease* FindLive(const std::string& name) LEADLINE_REQUIRES(mutex_);

  Clock* const clock_;
  Mutex mutex_;
  std::map<std::string, Lease> leases_ LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace leadline::rpc
