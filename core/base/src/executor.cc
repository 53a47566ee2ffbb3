#include "leadline/core/executor.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <exception>
#include <new>
#include <thread>
#include <vector>

#include "leadline/core/mutex.h"
#include "leadline/core/thread_priority.h"

namespace leadline {
namespace {

class InlineExecutor final : public Executor {
 public:
  void Schedule(std::function<void()> task) override { task(); }

  [[nodiscard]] size_t concurrency() const override { return 1; }
};

class ThreadPool final : public Executor {
 public:
  ThreadPool(size_t threads, int nice) {
    try {
      for (size_t i = 0; i < std::max<size_t>(threads, 1); ++i) {
        threads_.emplace_back([this, nice] {
          LowerThreadPriority(nice);
          Run();
        });
      }
    } catch (...) {
      JoinAll();
      throw;
    }
  }

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  ~ThreadPool() override { JoinAll(); }

  void Schedule(std::function<void()> task) override {
    {
      MutexLock lock(&mutex_);
      queue_.push_back(std::move(task));
    }
    wake_.NotifyOne();
  }

  [[nodiscard]] size_t concurrency() const override { return threads_.size(); }

 private:
  void JoinAll() {
    {
      MutexLock lock(&mutex_);
      stopping_ = true;
    }
    wake_.NotifyAll();
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }

  void Run() {
    while (true) {
      std::function<void()> task;
      {
        MutexLock lock(&mutex_);
        while (queue_.empty() && !stopping_) {
          wake_.Wait(&mutex_);
        }
        if (queue_.empty()) {
          return;
        }
        task = std::move(queue_.front());
        queue_.pop_front();
      }
      task();
    }
  }

  Mutex mutex_;
  CondVar wake_;
  std::deque<std::function<void()>> queue_ LEADLINE_GUARDED_BY(mutex_);
  bool stopping_ LEADLINE_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

/// Progress of one ParallelFor. Tasks hold it alive: one that starts after the loop has ended
/// finds nothing left to claim.
struct LoopState {
  std::atomic<size_t> next{0};
  size_t n = 0;
  const std::function<void(size_t)>* body = nullptr;
  Mutex mutex;
  CondVar done;
  size_t finished LEADLINE_GUARDED_BY(mutex) = 0;
  std::exception_ptr thrown LEADLINE_GUARDED_BY(mutex);

  void Work() {
    size_t mine = 0;
    for (size_t i = next.fetch_add(1); i < n; i = next.fetch_add(1)) {
      One(i);
      ++mine;
    }
    MutexLock lock(&mutex);
    finished += mine;
    if (finished == n) {
      done.NotifyAll();
    }
  }

  void One(size_t i) {
    try {
      (*body)(i);
    } catch (...) {
      MutexLock lock(&mutex);
      thrown = std::current_exception();
    }
  }
};

/// Schedules up to `helpers` tasks that work on `state`; fewer where memory runs out.
void ScheduleHelpers(Executor* executor, size_t helpers, const std::shared_ptr<LoopState>& state) {
  try {
    for (size_t i = 0; i < helpers; ++i) {
      executor->Schedule([state] { state->Work(); });
    }
  } catch (const std::bad_alloc&) {
    return;  // this thread does the rest
  }
}

}  // namespace

Executor* Executor::Inline() {
  static InlineExecutor* const kExecutor = new InlineExecutor();
  return kExecutor;
}

std::unique_ptr<Executor> NewThreadPool(size_t threads, int nice) {
  return std::make_unique<ThreadPool>(threads, nice);
}

void ParallelFor(Executor* executor, size_t n, const std::function<void(size_t)>& body) {
  if (n == 0) {
    return;
  }
  const size_t helpers = executor == nullptr ? 0 : std::min(n, executor->concurrency()) - 1;
  if (helpers == 0) {
    for (size_t i = 0; i < n; ++i) {
      body(i);
    }
    return;
  }
  auto state = std::make_shared<LoopState>();
  state->n = n;
  state->body = &body;
  ScheduleHelpers(executor, helpers, state);
  state->Work();
  MutexLock lock(&state->mutex);
  while (state->finished < n) {
    state->done.Wait(&state->mutex);
  }
  if (state->thrown != nullptr) {
    std::rethrow_exception(state->thrown);
  }
}

}  // namespace leadline
