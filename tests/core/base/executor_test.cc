#include "leadline/core/executor.h"

#include <atomic>
#include <vector>

#include <gtest/gtest.h>

namespace leadline {
namespace {

TEST(Executor, ParallelForVisitsEveryIndexOnce) {
  for (size_t threads : {1U, 2U, 5U}) {
    const auto pool = NewThreadPool(threads);
    std::vector<std::atomic<int>> visits(1000);
    ParallelFor(pool.get(), visits.size(), [&](size_t i) { visits[i].fetch_add(1); });
    for (const auto& count : visits) {
      EXPECT_EQ(count.load(), 1);
    }
  }
}

TEST(Executor, ParallelForInsideATaskOfTheSamePoolDoesNotDeadlock) {
  const auto pool = NewThreadPool(2);
  std::atomic<int> total{0};
  ParallelFor(pool.get(), 8,
              [&](size_t) { ParallelFor(pool.get(), 8, [&](size_t) { total.fetch_add(1); }); });
  EXPECT_EQ(total.load(), 64);
}

TEST(Executor, PoolFinishesScheduledTasksBeforeItGoesAway) {
  std::atomic<int> done{0};
  {
    const auto pool = NewThreadPool(3);
    for (int i = 0; i < 100; ++i) {
      pool->Schedule([&] { done.fetch_add(1); });
    }
  }
  EXPECT_EQ(done.load(), 100);
}

}  // namespace
}  // namespace leadline
