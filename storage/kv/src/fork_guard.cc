#include "fork_guard.h"

#include <atomic>

#include "leadline/core/fork_generation.h"

namespace leadline::kv {
namespace {

/// 1 + generation of the process that first opened a store; 0 means none did.
std::atomic<uint64_t> rocksdb_generation{0};

}  // namespace

ForkGuard::ForkGuard() : generation_(ForkGeneration()) {}

bool ForkGuard::crossed() const {
  return ForkGeneration() != generation_;
}

Status ForkGuard::Check() const {
  return crossed() ? FailedPreconditionError(
                         "store handle crossed a fork; open the store in the child after exec")
                   : OkStatus();
}

Status ForkGuard::EnterProcess() {
  const uint64_t mine = ForkGeneration() + 1;
  uint64_t first = 0;
  if (rocksdb_generation.compare_exchange_strong(first, mine) || first == mine) {
    return {};
  }
  return FailedPreconditionError(
      "cannot open a store in a process forked from one that had opened a store; use exec");
}

}  // namespace leadline::kv
