#include "leadline/core/executor.h"

#include <atomic>
#include <new>
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

TEST(Executor, ParallelForThrowsOnItsCallerWhatABodyThrew) {
  const auto pool = NewThreadPool(3);
  std::atomic<int> visits{0};
  const auto body = [&](size_t i) {
    visits.fetch_add(1);
    if (i % 100 == 99) {
      throw std::bad_alloc();
    }
  };
  EXPECT_THROW(ParallelFor(pool.get(), 1000, body), std::bad_alloc);
  EXPECT_EQ(visits.load(), 1000) << "nobody works on after the loop";
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
