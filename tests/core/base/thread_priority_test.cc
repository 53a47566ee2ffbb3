// What a thread asks of the scheduler is for itself alone.

#include "leadline/core/thread_priority.h"

#include <cstdint>
#include <optional>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

namespace leadline {
namespace {

/// Nanoseconds of a turn of the calling thread; none where the system does not tell.
std::optional<uint64_t> Turn() {
  struct Attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  };

  Attributes attributes = {};
  const bool told = ::syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0U) == 0;
  return told && attributes.runtime != 0 ? std::optional(attributes.runtime) : std::nullopt;
}

int Niceness() {
  return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()));
}

TEST(ThreadPriority, AThreadHasTheTurnsThatItAsksFor) {
  const std::optional<uint64_t> usual = Turn();
  if (!usual.has_value()) {
    GTEST_SKIP() << "the system has no turns of its threads' own";
  }
  const int usual_nice = Niceness();
  std::thread([&] {
    ShortenTurns(150'000);
    EXPECT_EQ(Turn(), 150'000U);
    EXPECT_EQ(Niceness(), usual_nice);
    LowerThreadPriority(7);
    EXPECT_EQ(Niceness(), 7);
    ShortenTurns(300'000);
    EXPECT_EQ(Turn(), 300'000U);
    EXPECT_EQ(Niceness(), 7);
  }).join();
  EXPECT_EQ(Turn(), usual);
  EXPECT_EQ(Niceness(), usual_nice);
}

}  // namespace
}  // namespace leadline
