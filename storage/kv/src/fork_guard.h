#pragma once

/// RocksDB's background threads do not survive fork, and a handle used in the child hangs at its
/// first write stall. So a handle remembers the process that made it.

#include <cstdint>

#include "leadline/core/status.h"

namespace leadline::kv {

/// Remembers the fork generation it was made in. Immutable, thread-safe.
class ForkGuard {
 public:
  ForkGuard();

  /// True in a child made by fork after this guard. Takes no lock: safe right after a fork.
  [[nodiscard]] bool crossed() const;
  /// kFailedPrecondition when crossed.
  [[nodiscard]] Status Check() const;

  /// Refuses to start RocksDB in a process that was forked from one which had used it; otherwise
  /// notes that this process uses it.
  static Status EnterProcess();

 private:
  const uint64_t generation_;
};

}  // namespace leadline::kv
