#pragma once

#include <atomic>
#include <memory>

#include "channel.h"
#include "leadline/core/fork_generation.h"
#include "leadline/core/status.h"
#include "lease_keeper.h"
#include "retrier.h"

namespace leadline::rpc {

/// What the handles of one connection share.
struct RemoteState {
  std::shared_ptr<Channel> channel;
  std::unique_ptr<Retrier> retrier;
  std::shared_ptr<LeaseKeeper> leases;
  std::atomic<bool> closed{false};
  const uint64_t fork_generation = ForkGeneration();

  /// kFailedPrecondition after Close and in a forked child.
  [[nodiscard]] Status CheckOpen() const {
    if (closed.load()) {
      return FailedPreconditionError("the database is closed");
    }
    return fork_generation == ForkGeneration()
               ? OkStatus()
               : FailedPreconditionError("the database was opened before fork");
  }
};

}  // namespace leadline::rpc
