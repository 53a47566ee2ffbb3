#include "leadline/rpc/lane.h"

#include <atomic>
#include <deque>
#include <utility>

#include "leadline/core/executor.h"
#include "leadline/core/mutex.h"

namespace leadline::rpc {
namespace {

class ThreadLane final : public Lane {
 public:
  ThreadLane(size_t threads, size_t max_waiting)
      : max_running_(threads),
        max_admitted_(threads + max_waiting),
        threads_(NewThreadPool(threads)) {}

  bool Submit(std::function<void()> work) override {
    if (admitted_.fetch_add(1) >= max_admitted_) {
      admitted_.fetch_sub(1);
      return false;
    }
    threads_->Schedule([this, work = std::move(work)] {
      work();
      admitted_.fetch_sub(1);
    });
    return true;
  }

  [[nodiscard]] size_t waiting() override {
    const size_t admitted = admitted_.load();
    return admitted > max_running_ ? admitted - max_running_ : 0;
  }

 private:
  const size_t max_running_;
  const size_t max_admitted_;
  std::atomic<size_t> admitted_{0};  // running and waiting
  const std::unique_ptr<Executor> threads_;
};

class CallerLane final : public Lane {
 public:
  CallerLane(size_t slots, size_t max_waiting) : slots_(slots), max_waiting_(max_waiting) {}

  CallerLane(const CallerLane&) = delete;
  CallerLane& operator=(const CallerLane&) = delete;

  ~CallerLane() override {
    MutexLock lock(&mutex_);
    while (running_ > 0) {
      idle_.Wait(&mutex_);
    }
  }

  bool Submit(std::function<void()> work) override {
    {
      MutexLock lock(&mutex_);
      if (running_ >= slots_) {
        if (waiting_.size() >= max_waiting_) {
          return false;
        }
        waiting_.push_back(std::move(work));
        return true;
      }
      ++running_;
    }
    while (work) {
      work();
      work = NextOrFree();
    }
    return true;
  }

  [[nodiscard]] size_t waiting() override {
    MutexLock lock(&mutex_);
    return waiting_.size();
  }

 private:
  /// What waited longest, for the slot that the caller holds; empty frees the slot.
  std::function<void()> NextOrFree() {
    MutexLock lock(&mutex_);
    if (waiting_.empty()) {
      --running_;
      idle_.NotifyAll();
      return nullptr;
    }
    std::function<void()> next = std::move(waiting_.front());
    waiting_.pop_front();
    return next;
  }

  const size_t slots_;
  const size_t max_waiting_;
  Mutex mutex_;
  CondVar idle_;
  size_t running_ LEADLINE_GUARDED_BY(mutex_) = 0;
  std::deque<std::function<void()>> waiting_ LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Lane> NewThreadLane(size_t threads, size_t max_waiting) {
  return std::make_unique<ThreadLane>(threads, max_waiting);
}

std::unique_ptr<Lane> NewCallerLane(size_t slots, size_t max_waiting) {
  return std::make_unique<CallerLane>(slots, max_waiting);
}

}  // namespace leadline::rpc
