#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace leadline {

/// Runs tasks. Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;
  /// Runs `task` some time later, on any thread, or at once on this one (inline executor). A task
  /// must not throw.
  virtual void Schedule(std::function<void()> task) = 0;
  /// Number of tasks that may run at the same time; at least 1.
  [[nodiscard]] virtual size_t concurrency() const = 0;

  /// Runs every task inside Schedule; lives for the whole process.
  static Executor* Inline();
};

/// Starts `threads` (>= 1) threads of the nice value `nice` (LowerThreadPriority); the destructor
/// finishes all scheduled tasks, then joins.
std::unique_ptr<Executor> NewThreadPool(size_t threads, int nice = 0);

/// Calls body(i) for i in [0, n), on the calling thread and up to concurrency()-1 tasks of
/// `executor`; returns when all are done. Chunks are claimed in order, so results must not depend
/// on which thread runs which i. What a body throws is thrown here, once no other runs. Never waits
/// for a queued task that has not started, so it may be called from a task of the same executor.
void ParallelFor(Executor* executor, size_t n, const std::function<void(size_t)>& body);

}  // namespace leadline
