#include "leadline/rpc/lane.h"

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <string>
#include <thread>
#include <utility>

#include "caller_use.h"
#include "fair_queue.h"
#include "leadline/core/executor.h"
#include "leadline/core/mutex.h"

namespace leadline::rpc {
namespace {

/// Of threads that run work of callers who are ahead. Threads of nice 0 that wake have ten times
/// their share, and the processor at once.
constexpr int kYieldingNice = 10;

/// Processor time of this thread so far.
int64_t ThreadNanos() {
  timespec now = {};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// What this thread does between works; null for nothing.
thread_local const std::function<void()>* between = nullptr;

/// What both lanes share: places to run in, and the queues for them.
class Places {
 public:
  Places(size_t places, size_t max_waiting, CallerUse* use)
      : places_(places),
        yielding_places_(std::clamp<size_t>(std::thread::hardware_concurrency(), 1, places)),
        use_(use),
        queue_(max_waiting),
        yielding_queue_(max_waiting),
        yielding_threads_(NewThreadPool(yielding_places_, kYieldingNice)) {}

  enum class Admission { kRuns, kWaits, kRefused };

  /// Moves `work` into a queue where it has to wait; where it runs, the caller has a place.
  Admission Take(const WhoAsks& who, std::function<void()>* work, bool along) {
    std::string caller = who();
    const bool ahead = IsAhead(caller);
    *work = Counted(caller, std::move(*work));
    MutexLock lock(&mutex_);
    if (!ahead && running_ < places_ && looks_for != this) {
      ++running_;
      return Admission::kRuns;
    }
    if (ahead) {
      WakeYielding();
    }
    FairQueue& queue = ahead ? yielding_queue_ : queue_;
    return queue.Push(caller, std::move(*work), along) ? Admission::kWaits : Admission::kRefused;
  }

  std::function<void()> TakeAlong() {
    MutexLock lock(&mutex_);
    return QueueHere().PopAlong();
  }

  /// Whoever calls this has a place and frees it soon: the queue is too long by that many at most.
  void PutBack(const WhoAsks& who, uint64_t turns, std::function<void()> rest) {
    const std::string caller = who();
    const bool ahead = IsAhead(caller);
    std::function<void()> counted = Counted(caller, std::move(rest));
    MutexLock lock(&mutex_);
    if (ahead) {
      WakeYielding();
    }
    FairQueue& queue = ahead ? yielding_queue_ : QueueHere();
    queue.PutBack(caller, std::move(counted));
    queue.Charge(caller, turns - 1);  // of a caller who has work: cannot fail
  }

  void Charge(const WhoAsks& who, uint64_t turns) {
    MutexLock lock(&mutex_);
    FairQueue& queue = QueueHere();
    if (queue.size() > 0) {
      queue.Charge(who(), turns - 1);
    }
  }

  /// Runs `work` and what waits after it, in the caller's place, and frees that.
  void RunAndFree(std::function<void()> work) {
    while (work) {
      work();
      LookForMore();
      work = NextOrFree(&queue_, &running_);
    }
  }

  void WaitUntilFree() {
    MutexLock lock(&mutex_);
    while (running_ + yielding_ > 0) {
      idle_.Wait(&mutex_);
    }
  }

  [[nodiscard]] size_t waiting() {
    MutexLock lock(&mutex_);
    return queue_.size() + yielding_queue_.size();
  }

 private:
  bool IsAhead(const std::string& caller) { return use_ != nullptr && use_->IsAhead(caller); }

  std::function<void()> Counted(std::string who, std::function<void()> work) {
    if (use_ == nullptr) {
      return work;
    }
    return [use = use_, who = std::move(who), work = std::move(work)] {
      const int64_t before = ThreadNanos();
      work();
      use->Add(who, ThreadNanos() - before);
    };
  }

  /// BetweenWorks of this thread, where there is one and nobody else has time to look.
  void LookForMore() {
    if (between == nullptr || looks_for != nullptr || !AllTaken()) {
      return;
    }
    looks_for = this;
    (*between)();
    looks_for = nullptr;
  }

  bool AllTaken() {
    MutexLock lock(&mutex_);
    return running_ == places_;
  }

  /// Of the work that this thread runs.
  FairQueue& QueueHere() LEADLINE_REQUIRES(mutex_) {
    return yields_for == this ? yielding_queue_ : queue_;
  }

  /// Makes sure that a thread looks at the queue of those who are ahead, once `mutex_` is free.
  void WakeYielding() LEADLINE_REQUIRES(mutex_) {
    if (yielding_ < yielding_places_) {
      yielding_threads_->Schedule([this] { RunYielding(); });
      ++yielding_;
    }
  }

  void RunYielding() {
    yields_for = this;
    while (const std::function<void()> work = NextOrFree(&yielding_queue_, &yielding_)) {
      work();
    }
    yields_for = nullptr;
  }

  std::function<void()> NextOrFree(FairQueue* queue, size_t* running) {
    MutexLock lock(&mutex_);
    std::function<void()> next = queue->Pop();
    if (!next) {
      --*running;
      idle_.NotifyAll();
    }
    return next;
  }

  /// The places whose yielding work this thread runs.
  static thread_local const Places* yields_for;
  /// In whose place this thread looks for more work.
  static thread_local const Places* looks_for;

  const size_t places_;
  const size_t yielding_places_;
  CallerUse* const use_;
  Mutex mutex_;
  CondVar idle_;
  size_t running_ LEADLINE_GUARDED_BY(mutex_) = 0;
  size_t yielding_ LEADLINE_GUARDED_BY(mutex_) = 0;
  FairQueue queue_ LEADLINE_GUARDED_BY(mutex_);
  FairQueue yielding_queue_ LEADLINE_GUARDED_BY(mutex_);
  const std::unique_ptr<Executor> yielding_threads_;  // ends first, and with it all that yields
};

thread_local const Places* Places::yields_for = nullptr;
thread_local const Places* Places::looks_for = nullptr;

class ThreadLane final : public Lane {
 public:
  ThreadLane(size_t threads, size_t max_waiting, CallerUse* use)
      : places_(threads, max_waiting, use), threads_(NewThreadPool(threads)) {}

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
  CallerLane(size_t slots, size_t max_waiting, CallerUse* use) : places_(slots, max_waiting, use) {}

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

BetweenWorks::BetweenWorks(std::function<void()> look) : look_(std::move(look)) {
  between = &look_;
}

BetweenWorks::~BetweenWorks() {
  between = nullptr;
}

std::unique_ptr<Lane> NewThreadLane(size_t threads, size_t max_waiting, CallerUse* use) {
  return std::make_unique<ThreadLane>(threads, max_waiting, use);
}

std::unique_ptr<Lane> NewCallerLane(size_t slots, size_t max_waiting, CallerUse* use) {
  return std::make_unique<CallerLane>(slots, max_waiting, use);
}

}  // namespace leadline::rpc
