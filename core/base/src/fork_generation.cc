#include "leadline/core/fork_generation.h"

#include <atomic>
#include <pthread.h>

namespace leadline {
namespace {

std::atomic<uint64_t> generation{0};

}  // namespace

uint64_t ForkGeneration() {
  // Only an atomic increment runs in the child: anything more could meet a lock that some other
  // thread of the parent held.
  static const int kRegistered = ::pthread_atfork(
      nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });
  static_cast<void>(kRegistered);
  return generation.load(std::memory_order_relaxed);
}

}  // namespace leadline
