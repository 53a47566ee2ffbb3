#include "leadline/core/side_task.h"

#include <atomic>
#include <new>
#include <thread>

#include <gtest/gtest.h>

#include "leadline/core/mutex.h"

namespace leadline {
namespace {

/// Keeps a pool's only thread busy until it is opened.
class Gate {
 public:
  void Open() {
    MutexLock lock(&mutex_);
    open_ = true;
    opened_.NotifyAll();
  }

  void Pass() {
    MutexLock lock(&mutex_);
    while (!open_) {
      opened_.Wait(&mutex_);
    }
  }

 private:
  Mutex mutex_;
  CondVar opened_;
  bool open_ LEADLINE_GUARDED_BY(mutex_) = false;
};

TEST(SideTask, RunsAtOnceWithoutAnExecutor) {
  int runs = 0;
  SideTask task(nullptr, [&] {
    ++runs;
    return OkStatus();
  });
  EXPECT_EQ(runs, 1);
  EXPECT_TRUE(task.Wait().ok());
  EXPECT_EQ(runs, 1);
}

TEST(SideTask, RunsOnAThreadThatIsFree) {
  const auto pool = NewThreadPool(1);
  Gate gate;
  std::thread::id ran_on;
  SideTask task(pool.get(), [&] {
    ran_on = std::this_thread::get_id();
    gate.Open();
    return InternalError("outcome");
  });
  gate.Pass();  // it runs although nobody waits for it yet
  EXPECT_EQ(task.Wait().code(), StatusCode::kInternal);
  EXPECT_NE(ran_on, std::this_thread::get_id());
}

TEST(SideTask, RunsInWaitWhereNoThreadIsFree) {
  Gate gate;
  std::atomic<int> runs{0};
  {
    const auto pool = NewThreadPool(1);
    pool->Schedule([&] { gate.Pass(); });
    SideTask task(pool.get(), [&] {
      ++runs;
      return OkStatus();
    });
    EXPECT_EQ(runs, 0);
    EXPECT_TRUE(task.Wait().ok());
    EXPECT_EQ(runs, 1);
    gate.Open();
  }
  EXPECT_EQ(runs, 1) << "the pool's own turn comes too late";
}

TEST(SideTask, TurnsWhatItThrowsIntoAnError) {
  SideTask task(nullptr, []() -> Status { throw std::bad_alloc(); });
  EXPECT_EQ(task.Wait().code(), StatusCode::kResourceExhausted);
}

TEST(SideTask, EndsBeforeItIsGone) {
  const auto pool = NewThreadPool(1);
  std::atomic<int> ended{0};
  {
    const SideTask task(pool.get(), [&]() -> Status {
      std::this_thread::yield();
      ++ended;
      return InternalError("nobody asks");
    });
  }
  EXPECT_EQ(ended, 1);
}

}  // namespace
}  // namespace leadline
