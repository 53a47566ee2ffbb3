// So much at a time, so much waiting, and no more.

#include "leadline/rpc/lane.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/mutex.h"

namespace leadline::rpc {
namespace {

/// A door that work waits at.
class Door {
 public:
  void Wait() {
    MutexLock lock(&mutex_);
    ++waiting_;
    changed_.NotifyAll();
    while (!open_) {
      changed_.Wait(&mutex_);
    }
  }

  void WaitUntilSomebodyWaits() {
    MutexLock lock(&mutex_);
    while (waiting_ == 0) {
      changed_.Wait(&mutex_);
    }
  }

  void Open() {
    MutexLock lock(&mutex_);
    open_ = true;
    changed_.NotifyAll();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int waiting_ LEADLINE_GUARDED_BY(mutex_) = 0;
  bool open_ LEADLINE_GUARDED_BY(mutex_) = false;
};

/// Fills the one place of `lane` and its two waiting places, and expects the next to be refused.
void ExpectThreeAndNoMore(std::unique_ptr<Lane> lane) {
  Door door;
  std::atomic<int> done{0};
  std::thread first([&] {
    EXPECT_TRUE(lane->Submit([&] {
      door.Wait();
      ++done;
    }));
  });
  door.WaitUntilSomebodyWaits();
  EXPECT_TRUE(lane->Submit([&done] { ++done; }));
  EXPECT_TRUE(lane->Submit([&done] { ++done; }));
  EXPECT_FALSE(lane->Submit([&done] { done += 100; }));
  EXPECT_EQ(done.load(), 0);
  door.Open();
  first.join();
  lane.reset();  // finishes what was submitted
  EXPECT_EQ(done.load(), 3);
}

TEST(Lane, AThreadLaneRefusesWhatWouldWaitTooLong) {
  ExpectThreeAndNoMore(NewThreadLane(1, 2));
}

TEST(Lane, ACallerLaneRefusesWhatWouldWaitTooLong) {
  ExpectThreeAndNoMore(NewCallerLane(1, 2));
}

TEST(Lane, ACallerLaneRunsOnTheThreadThatSubmits) {
  const auto lane = NewCallerLane(1, 0);
  std::thread::id ran;
  EXPECT_TRUE(lane->Submit([&ran] { ran = std::this_thread::get_id(); }));
  EXPECT_EQ(ran, std::this_thread::get_id());
}

}  // namespace
}  // namespace leadline::rpc
