// So much at a time, so much waiting, and no more.

#include "leadline/rpc/lane.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "caller_use.h"
#include "leadline/core/mutex.h"
#include "test_clock.h"

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

std::string Somebody() {
  return "somebody";
}

/// Fills the one place of `lane` and its two waiting places, and expects the next to be refused.
void ExpectThreeAndNoMore(std::unique_ptr<Lane> lane) {
  Door door;
  std::atomic<int> done{0};
  std::thread first([&] {
    EXPECT_TRUE(lane->Submit(Somebody, [&] {
      door.Wait();
      ++done;
    }));
  });
  door.WaitUntilSomebodyWaits();
  EXPECT_TRUE(lane->Submit(Somebody, [&done] { ++done; }));
  EXPECT_TRUE(lane->Submit(Somebody, [&done] { ++done; }));
  EXPECT_FALSE(lane->Submit(Somebody, [&done] { done += 100; }));
  EXPECT_EQ(done.load(), 0);
  door.Open();
  first.join();
  lane.reset();  // finishes what was submitted
  EXPECT_EQ(done.load(), 3);
}

TEST(Lane, AThreadLaneRefusesWhatWouldWaitTooLong) {
  ExpectThreeAndNoMore(NewThreadLane(1, 2, nullptr));
}

TEST(Lane, ACallerLaneRefusesWhatWouldWaitTooLong) {
  ExpectThreeAndNoMore(NewCallerLane(1, 2, nullptr));
}

TEST(Lane, ACallerLaneRunsOnTheThreadThatSubmits) {
  const auto lane = NewCallerLane(1, 0, nullptr);
  std::thread::id ran;
  EXPECT_TRUE(lane->Submit(Somebody, [&ran] { ran = std::this_thread::get_id(); }));
  EXPECT_EQ(ran, std::this_thread::get_id());
}

TEST(Lane, AThreadLooksForWorkBetweenTwoOfItsOwn) {
  const auto lane = NewCallerLane(1, 8, nullptr);
  std::string order;
  int looks = 0;
  const BetweenWorks between([&] {
    if (++looks <= 3) {
      order += '?';
      EXPECT_TRUE(lane->Submit(Somebody, [&order] { order += 'b'; }));
      order += '.';  // what it found waits
    }
  });
  EXPECT_TRUE(lane->Submit(Somebody, [&order] { order += 'a'; }));
  EXPECT_EQ(order, "a?.b?.b?.b");
  EXPECT_EQ(looks, 4);
}

TEST(Lane, NobodyLooksForWorkWhereAPlaceIsFree) {
  const auto lane = NewCallerLane(2, 8, nullptr);
  int looks = 0;
  {
    const BetweenWorks between([&looks] { ++looks; });
    EXPECT_TRUE(lane->Submit(Somebody, [] {}));
    EXPECT_EQ(looks, 0) << "others have time for it";
    EXPECT_TRUE(lane->Submit(Somebody, [&lane] { EXPECT_TRUE(lane->Submit(Somebody, [] {})); }));
    EXPECT_EQ(looks, 1) << "while both places were taken";
  }
  const auto narrow = NewCallerLane(1, 8, nullptr);
  EXPECT_TRUE(narrow->Submit(Somebody, [] {}));
  EXPECT_EQ(looks, 1) << "it ended";
}

/// The order in which `lane`, with one place, runs what callers submit while that is taken: 60
/// calls of one, then one each of two others.
std::string OrderOf(std::unique_ptr<Lane> lane) {
  Door door;
  std::string order;
  std::thread first([&] { EXPECT_TRUE(lane->Submit(Somebody, [&door] { door.Wait(); })); });
  door.WaitUntilSomebodyWaits();
  const WhoAsks greedy = [] { return "greedy"; };
  int taken = 0;
  for (int i = 0; i < 100; ++i) {
    taken += lane->Submit(greedy, [&order] { order += 'g'; }) ? 1 : 0;
  }
  EXPECT_EQ(taken, 60) << "three quarters of 80";
  EXPECT_TRUE(lane->Submit([] { return "a"; }, [&order] { order += 'a'; }));
  EXPECT_TRUE(lane->Submit([] { return "b"; }, [&order] { order += 'b'; }));
  EXPECT_FALSE(lane->Submit(greedy, [&order] { order += 'x'; }));
  EXPECT_EQ(lane->waiting(), 62U);
  door.Open();
  first.join();
  lane.reset();
  return order;
}

TEST(Lane, CallersTakeTurns) {
  const std::string fair = "gab" + std::string(59, 'g');
  EXPECT_EQ(OrderOf(NewCallerLane(1, 80, nullptr)), fair);
  EXPECT_EQ(OrderOf(NewThreadLane(1, 80, nullptr)), fair);
}

/// Work of `who` in `steps` steps, each of which takes `turns`, leaves its name in `order` and puts
/// back the rest.
std::function<void()> InSteps(Lane* lane, const char* who, int steps, uint64_t turns,
                              std::string* order) {
  return [=] {
    *order += who;
    const WhoAsks asks = [who] { return who; };
    if (steps > 1) {
      lane->PutBack(asks, turns, InSteps(lane, who, steps - 1, turns, order));
    } else {
      lane->Charge(asks, turns);
    }
  };
}

TEST(Lane, WorkThatIsPutBackGoesOnAfterOneTurnOfEachOther) {
  const auto lane = NewCallerLane(1, 80, nullptr);
  std::string order;
  EXPECT_TRUE(lane->Submit(Somebody, [&] {
    const WhoAsks long_caller = [] { return "A"; };
    EXPECT_TRUE(lane->Submit(long_caller, InSteps(lane.get(), "A", 4, 1, &order)));
    EXPECT_TRUE(lane->Submit(long_caller, [&order] { order += "a"; }));
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(lane->Submit([] { return "b"; }, [&order] { order += "b"; }));
      EXPECT_TRUE(lane->Submit([] { return "c"; }, [&order] { order += "c"; }));
    }
  }));
  EXPECT_EQ(order, "AbcAbcAAa") << "the caller's own next waits until the first has ended";
}

TEST(Lane, AStepCountsAsManyTurnsAsItTook) {
  const auto lane = NewCallerLane(1, 80, nullptr);
  std::string order;
  EXPECT_TRUE(lane->Submit(Somebody, [&] {
    const WhoAsks a = [] { return "A"; };
    EXPECT_TRUE(lane->Submit(a, InSteps(lane.get(), "A", 2, 4, &order)));
    EXPECT_TRUE(lane->Submit(a, [&order] { order += "a"; }));
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE(lane->Submit([] { return "b"; }, [&order] { order += "b"; }));
    }
  }));
  EXPECT_EQ(order, "AbbbbAbbbbabb") << "the last step counts too";
}

TEST(Lane, WhatNobodyWaitedForIsNotHeldAgainstItsCaller) {
  const auto lane = NewCallerLane(1, 80, nullptr);
  std::string order;
  EXPECT_TRUE(lane->Submit(Somebody, InSteps(lane.get(), "A", 3, 100, &order)));
  EXPECT_TRUE(lane->Submit(Somebody, [&] {
    EXPECT_TRUE(lane->Submit([] { return "A"; }, [&order] { order += "a"; }));
    EXPECT_TRUE(lane->Submit([] { return "b"; }, [&order] { order += "b"; }));
  }));
  EXPECT_EQ(order, "AAAab");
}

TEST(Lane, TheTurnOfACallerPassesWhenWorkIsPutBack) {
  const auto lane = NewCallerLane(1, 80, nullptr);
  std::string order;
  EXPECT_TRUE(
      lane->Submit([] { return "A"; },
                   [&] {
                     EXPECT_TRUE(lane->Submit([] { return "A"; }, [&order] { order += "a"; }));
                     EXPECT_TRUE(lane->Submit([] { return "b"; }, [&order] { order += "b"; }));
                     InSteps(lane.get(), "A", 2, 1, &order)();
                   }));
  EXPECT_EQ(order, "AbAa") << "A waited before b, but has just been served";
}

TEST(Lane, WhatIsPutBackFindsRoomInAFullQueue) {
  const auto lane = NewCallerLane(1, 2, nullptr);
  std::string order;
  EXPECT_TRUE(lane->Submit(Somebody, [&] {
    EXPECT_TRUE(lane->Submit([] { return "b"; }, [&order] { order += "b"; }));
    EXPECT_TRUE(lane->Submit([] { return "c"; }, [&order] { order += "c"; }));
    InSteps(lane.get(), "A", 2, 1, &order)();
    EXPECT_EQ(lane->waiting(), 3U);
    EXPECT_FALSE(lane->Submit([] { return "d"; }, [&order] { order += "d"; }));
  }));
  EXPECT_EQ(order, "AbcA");
}

TEST(Lane, WorkTakesAlongWhatIsNextAndMayGoAlong) {
  const auto lane = NewCallerLane(1, 80, nullptr);
  std::string order;
  EXPECT_TRUE(lane->Submit(Somebody, [&] {
    EXPECT_FALSE(lane->TakeAlong());
    const WhoAsks a = [] { return "a"; };
    EXPECT_TRUE(lane->SubmitAlong(a, [&order] { order += 'a'; }));
    EXPECT_TRUE(lane->SubmitAlong(a, [&order] { order += 'A'; }));
    EXPECT_TRUE(lane->SubmitAlong([] { return "b"; }, [&order] { order += 'b'; }));
    EXPECT_TRUE(lane->Submit([] { return "c"; }, [&order] { order += 'c'; }));
    while (const std::function<void()> next = lane->TakeAlong()) {
      next();
    }
    EXPECT_EQ(order, "ab") << "up to what may not go along, in turn";
    EXPECT_EQ(lane->waiting(), 2U);
  }));
  EXPECT_EQ(order, "abcA");
}

TEST(Lane, ThereIsRoomForOneMoreCallerHoweverManyFillIt) {
  const auto lane = NewThreadLane(1, 256, nullptr);
  Door door;
  EXPECT_TRUE(lane->Submit(Somebody, [&door] { door.Wait(); }));
  door.WaitUntilSomebodyWaits();
  for (int caller = 0; caller < 4; ++caller) {
    const WhoAsks who = [caller] { return std::to_string(caller); };
    int taken = 0;
    while (lane->Submit(who, [] {})) {
      ++taken;
    }
    EXPECT_GE(taken, 1) << "caller " << caller << " with " << lane->waiting() << " waiting";
  }
  EXPECT_LT(lane->waiting(), 256U);
  door.Open();
}

/// Every piece of work that `lane` takes from four threads runs once, and no more than two at a
/// time.
void ExpectAllThatWasTakenRuns(std::unique_ptr<Lane> lane) {
  constexpr int kEach = 300;
  std::atomic<int> taken{0};
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::vector<int> runs(4 * kEach, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const WhoAsks who = [t] { return std::to_string(t); };
      for (int i = 0; i < kEach; ++i) {
        int* const run = &runs[static_cast<size_t>(t * kEach + i)];
        const bool took = lane->Submit(who, [&running, &most, run] {
          const int now = running.fetch_add(1) + 1;
          for (int seen = most.load(); now > seen && !most.compare_exchange_weak(seen, now);) {
          }
          ++*run;
          std::this_thread::yield();
          running.fetch_sub(1);
        });
        taken += took ? 1 : 0;
        lane->waiting();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  lane.reset();
  EXPECT_EQ(std::count(runs.begin(), runs.end(), 1), taken.load());
  EXPECT_EQ(std::count(runs.begin(), runs.end(), 0), 4 * kEach - taken.load());
  EXPECT_LE(most.load(), 2);
}

/// How nice this thread is.
int Niceness() {
  return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()));
}

/// A clock that stands, and two callers: "greedy" is ahead of "small".
class LaneOfUnequals : public ::testing::Test {
 protected:
  LaneOfUnequals() {
    use_.Add("small", CallerUse::kSmallNanos);
    use_.Add("greedy", 4 * CallerUse::kSmallNanos);
  }

  static std::string Small() { return "small"; }

  static std::string Greedy() { return "greedy"; }

  testing::TestClock clock_;
  CallerUse use_{&clock_};
};

TEST_F(LaneOfUnequals, WhoIsAheadKeepsNoPlaceFromOthers) {
  for (const bool own_threads : {false, true}) {
    std::unique_ptr<Lane> lane =
        own_threads ? NewThreadLane(1, 80, &use_) : NewCallerLane(1, 80, &use_);
    Door door;
    std::atomic<int> greedy_nice{0};
    EXPECT_TRUE(lane->Submit(Greedy, [&] {
      greedy_nice = Niceness();
      door.Wait();
    }));
    door.WaitUntilSomebodyWaits();
    EXPECT_GT(greedy_nice.load(), Niceness());
    Door served;
    served.Open();
    EXPECT_TRUE(lane->Submit(Small, [&] {
      EXPECT_EQ(Niceness(), ::getpriority(PRIO_PROCESS, 0));
      served.Wait();
    }));
    served.WaitUntilSomebodyWaits();
    door.Open();
    lane.reset();
  }
}

TEST_F(LaneOfUnequals, WhoWasAheadRunsAsOthersDoAWhileLater) {
  const auto lane = NewCallerLane(1, 80, &use_);
  clock_.monotonic_nanos += 2 * CallerUse::kWindowNanos;
  std::thread::id ran;
  EXPECT_TRUE(lane->Submit(Greedy, [&ran] { ran = std::this_thread::get_id(); }));
  EXPECT_EQ(ran, std::this_thread::get_id());
}

TEST_F(LaneOfUnequals, StepsOfWhoGetsAheadGoOnAtLowPriority) {
  std::unique_ptr<Lane> lane = NewCallerLane(1, 80, &use_);
  std::vector<int> nice;
  std::function<void(int)> step = [&, lane = lane.get()](int left) {
    nice.push_back(Niceness());
    use_.Add("new", 20 * CallerUse::kSmallNanos);
    if (left > 0) {
      lane->PutBack([] { return "new"; }, 1, [&step, left] { step(left - 1); });
    }
  };
  EXPECT_TRUE(lane->Submit([] { return "new"; }, [&step] { step(2); }));
  lane.reset();
  const int here = Niceness();
  ASSERT_EQ(nice.size(), 3U);
  EXPECT_EQ(nice[0], here);
  EXPECT_GT(nice[1], here);
  EXPECT_EQ(nice[2], nice[1]);
}

TEST_F(LaneOfUnequals, WhoIsAheadTakesAlongOnlyWhatIsAhead) {
  std::unique_ptr<Lane> lane = NewCallerLane(1, 80, &use_);
  Door place;
  std::thread holder([&] { EXPECT_TRUE(lane->Submit(Small, [&place] { place.Wait(); })); });
  place.WaitUntilSomebodyWaits();
  Door door;
  std::string along;
  EXPECT_TRUE(lane->Submit(Greedy, [&, lane = lane.get()] {
    door.Wait();
    while (const std::function<void()> next = lane->TakeAlong()) {
      next();
    }
    along += '.';
  }));
  door.WaitUntilSomebodyWaits();
  EXPECT_TRUE(lane->SubmitAlong(Small, [&along] { along += 's'; }));
  EXPECT_TRUE(lane->SubmitAlong(Greedy, [&along] { along += 'g'; }));
  EXPECT_EQ(lane->waiting(), 2U);
  door.Open();
  while (lane->waiting() > 1) {
    std::this_thread::yield();
  }
  place.Open();
  holder.join();
  lane.reset();
  EXPECT_EQ(along.substr(0, 2), "g.");
}

TEST_F(LaneOfUnequals, WhoIsAheadFillsNoQueue) {
  std::unique_ptr<Lane> lane = NewCallerLane(1, 80, &use_);
  Door door;
  EXPECT_TRUE(lane->Submit(Greedy, [&door] { door.Wait(); }));
  door.WaitUntilSomebodyWaits();
  int taken = 0;
  while (lane->Submit(Greedy, [] {})) {
    ++taken;
  }
  EXPECT_EQ(taken, 60) << "three quarters of 80";
  bool ran = false;
  EXPECT_TRUE(lane->Submit(Small, [&ran] { ran = true; }));
  EXPECT_TRUE(ran);
  door.Open();
  lane.reset();
}

TEST(Lane, WhatManyThreadsSubmitRunsOnce) {
  ExpectAllThatWasTakenRuns(NewCallerLane(2, 3, nullptr));
  ExpectAllThatWasTakenRuns(NewThreadLane(2, 3, nullptr));
}

}  // namespace
}  // namespace leadline::rpc
