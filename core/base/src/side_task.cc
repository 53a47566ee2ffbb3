#include "leadline/core/side_task.h"

#include <atomic>
#include <new>
#include <utility>

#include "leadline/core/mutex.h"
#include "leadline/core/no_throw.h"

namespace leadline {

/// The executor's task holds it alive: one that starts late finds it claimed.
struct SideTask::State {
  std::function<Status()> task;
  std::atomic<bool> claimed{false};
  Mutex mutex;
  CondVar ended;
  bool done LEADLINE_GUARDED_BY(mutex) = false;
  Status outcome LEADLINE_GUARDED_BY(mutex);

  void RunUnlessClaimed() {
    if (claimed.exchange(true)) {
      return;
    }
    Status status = NoThrow(task);
    MutexLock lock(&mutex);
    outcome = std::move(status);
    done = true;
    ended.NotifyAll();
  }

  Status WaitForEnd() {
    MutexLock lock(&mutex);
    while (!done) {
      ended.Wait(&mutex);
    }
    return std::move(outcome);
  }
};

SideTask::SideTask(Executor* executor, std::function<Status()> task)
    : state_(std::make_shared<State>()) {
  state_->task = std::move(task);
  if (executor == nullptr) {
    state_->RunUnlessClaimed();
    return;
  }
  try {
    executor->Schedule([state = state_] { state->RunUnlessClaimed(); });
  } catch (const std::bad_alloc&) {
    return;  // Wait runs it
  }
}

SideTask::~SideTask() {
  if (state_ != nullptr) {
    Wait().IgnoreError();
  }
}

Status SideTask::Wait() {
  const std::shared_ptr<State> state = std::move(state_);
  state->RunUnlessClaimed();
  return state->WaitForEnd();
}

}  // namespace leadline
