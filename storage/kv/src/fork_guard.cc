#include "fork_guard.h"

#include <atomic>
#include <pthread.h>

namespace leadline::kv {
namespace {

/// Forks between this process and the first one that loaded the library.
std::atomic<uint64_t> fork_generation{0};
/// 1 + generation of the process that first opened a store; 0 means none did.
std::atomic<uint64_t> rocksdb_generation{0};

uint64_t CurrentGeneration() {
  // Only an atomic increment runs in the child: anything more could meet a lock that some other
  // thread of the parent held.
  static const int kRegistered = ::pthread_atfork(
      nullptr, nullptr, [] { fork_generation.fetch_add(1, std::memory_order_relaxed); });
  static_cast<void>(kRegistered);
  return fork_generation.load(std::memory_order_relaxed);
}

}  // namespace

ForkGuard::ForkGuard() : generation_(CurrentGeneration()) {}

bool ForkGuard::crossed() const {
  return fork_generation.load(std::memory_order_relaxed) != generation_;
}

Status ForkGuard::Check() const {
  return crossed() ? FailedPreconditionError(
                         "store handle crossed a fork; open the store in the child after exec")
                   : OkStatus();
}

Status ForkGuard::EnterProcess() {
  const uint64_t mine = CurrentGeneration() + 1;
  uint64_t first = 0;
  if (rocksdb_generation.compare_exchange_strong(first, mine) || first == mine) {
    return {};
  }
  return FailedPreconditionError(
      "cannot open a store in a process forked from one that had opened a store; use exec");
}

}  // namespace leadline::kv
