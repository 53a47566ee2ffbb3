#include "leadline/rpc/lane.h"

#include <cstdint>
#include <string>
#include <utility>

#include "fair_queue.h"
#include "leadline/core/executor.h"
#include "leadline/core/mutex.h"

namespace leadline::rpc {
namespace {

/// What both lanes share: places to run in, and the queue for them.
class Places {
 public:
  Places(size_t places, size_t max_waiting) : places_(places), queue_(max_waiting) {}

  enum class Admission { kRuns, kWaits, kRefused };

  /// Moves `work` into the queue where it has to wait; where it runs, the caller has a place.
  Admission Take(const WhoAsks& who, std::function<void()>* work, bool along) {
    MutexLock lock(&mutex_);
    if (running_ < places_) {
      ++running_;
      return Admission::kRuns;
    }
    return queue_.Push(who(), std::move(*work), along) ? Admission::kWaits : Admission::kRefused;
  }

  std::function<void()> TakeAlong() {
    MutexLock lock(&mutex_);
    return queue_.PopAlong();
  }

  /// Whoever calls this has a place and frees it soon: the queue is too long by that many at most.
  void PutBack(const WhoAsks& who, uint64_t turns, std::function<void()> rest) {
    MutexLock lock(&mutex_);
    const std::string caller = who();
    queue_.PutBack(caller, std::move(rest));
    queue_.Charge(caller, turns - 1);  // of a caller who has work: cannot fail
  }

  void Charge(const WhoAsks& who, uint64_t turns) {
    MutexLock lock(&mutex_);
    if (queue_.size() > 0) {
      queue_.Charge(who(), turns - 1);
    }
  }

  /// Runs `work` and what waits after it, in the caller's place, and frees that.
  void RunAndFree(std::function<void()> work) {
    while (work) {
      work();
      work = NextOrFree();
    }
  }

  void WaitUntilFree() {
    MutexLock lock(&mutex_);
    while (running_ > 0) {
      idle_.Wait(&mutex_);
    }
  }

  [[nodiscard]] size_t waiting() {
    MutexLock lock(&mutex_);
    return queue_.size();
  }

 private:
  std::function<void()> NextOrFree() {
    MutexLock lock(&mutex_);
    std::function<void()> next = queue_.Pop();
    if (!next) {
      --running_;
      idle_.NotifyAll();
    }
    return next;
  }

  const size_t places_;
  Mutex mutex_;
  CondVar idle_;
  size_t running_ LEADLINE_GUARDED_BY(mutex_) = 0;
  FairQueue queue_ LEADLINE_GUARDED_BY(mutex_);
};

class ThreadLane final : public Lane {
 public:
  ThreadLane(size_t threads, size_t max_waiting)
      : places_(threads, max_waiting), threads_(NewThreadPool(threads)) {}

  bool Submit(const WhoAsks& who, std::function<void()> work) override {
    return Place(who, std::move(work), false);
  }

  bool SubmitAlong(const WhoAsks& who, std::function<void()> work) override {
    return Place(who, std::move(work), true);
  }

  std::function<void()> TakeAlong() override { return places_.TakeAlong(); }

  void PutBack(const WhoAsks& who, uint64_t turns, std::function<void()> rest) override {
    places_.PutBack(who, turns, std::move(rest));
  }

  void Charge(const WhoAsks& who, uint64_t turns) override { places_.Charge(who, turns); }

  [[nodiscard]] size_t waiting() override { return places_.waiting(); }

 private:
  bool Place(const WhoAsks& who, std::function<void()> work, bool along) {
    const Places::Admission admission = places_.Take(who, &work, along);
    if (admission == Places::Admission::kRuns) {
      threads_->Schedule(
          [this, work = std::move(work)]() mutable { places_.RunAndFree(std::move(work)); });
    }
    return admission != Places::Admission::kRefused;
  }

  Places places_;
  const std::unique_ptr<Executor> threads_;  // ends first, and with it all that runs
};

class CallerLane final : public Lane {
 public:
  CallerLane(size_t slots, size_t max_waiting) : places_(slots, max_waiting) {}

  CallerLane(const CallerLane&) = delete;
  CallerLane& operator=(const CallerLane&) = delete;

  ~CallerLane() override { places_.WaitUntilFree(); }

  bool Submit(const WhoAsks& who, std::function<void()> work) override {
    return Place(who, std::move(work), false);
  }

  bool SubmitAlong(const WhoAsks& who, std::function<void()> work) override {
    return Place(who, std::move(work), true);
  }

  std::function<void()> TakeAlong() override { return places_.TakeAlong(); }

  void PutBack(const WhoAsks& who, uint64_t turns, std::function<void()> rest) override {
    places_.PutBack(who, turns, std::move(rest));
  }

  void Charge(const WhoAsks& who, uint64_t turns) override { places_.Charge(who, turns); }

  [[nodiscard]] size_t waiting() override { return places_.waiting(); }

 private:
  bool Place(const WhoAsks& who, std::function<void()> work, bool along) {
    const Places::Admission admission = places_.Take(who, &work, along);
    if (admission == Places::Admission::kRuns) {
      places_.RunAndFree(std::move(work));
    }
    return admission != Places::Admission::kRefused;
  }

  Places places_;
};

}  // namespace

std::unique_ptr<Lane> NewThreadLane(size_t threads, size_t max_waiting) {
  return std::make_unique<ThreadLane>(threads, max_waiting);
}

std::unique_ptr<Lane> NewCallerLane(size_t slots, size_t max_waiting) {
  return std::make_unique<CallerLane>(slots, max_waiting);
}

}  // namespace leadline::rpc
