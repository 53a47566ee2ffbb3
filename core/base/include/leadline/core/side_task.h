#pragma once

#include <functional>
#include <memory>

#include "leadline/core/executor.h"
#include "leadline/core/status.h"

namespace leadline {

/// A task beside its maker: on a thread that `executor` has free, or else on the maker's own, at
/// once where there is no executor and in Wait where no thread has taken it up till then. So
/// waiting never depends on other tasks. Externally synchronised.
class SideTask {
 public:
  /// What `task` refers to must live until this is gone. May throw std::bad_alloc.
  SideTask(Executor* executor, std::function<Status()> task);
  /// Waits. Nobody sees the outcome any more.
  ~SideTask();

  SideTask(const SideTask&) = delete;
  SideTask& operator=(const SideTask&) = delete;

  /// Waits for the end of the task and returns its outcome; what it throws becomes an error. To be
  /// called once at most.
  Status Wait();

 private:
  struct State;

  std::shared_ptr<State> state_;  ///< null once waited for
};

}  // namespace leadline
