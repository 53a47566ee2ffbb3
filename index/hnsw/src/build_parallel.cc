#include "build_parallel.h"

#include <atomic>
#include <utility>

#include "leadline/core/mutex.h"
#include "leadline/core/no_throw.h"

namespace leadline::index::hnsw {
Status ForEachInParallel(Executor* executor, size_t n, const std::function<Status(size_t)>& body) {
  std::atomic<bool> failed{false};
  Mutex mutex;
  Status error;
  ParallelFor(executor, n, [&](size_t i) {
    if (failed.load(std::memory_order_relaxed)) {
      return;
    }
    Status status = NoThrow([&] { return body(i); });
    if (!status.ok()) {
      MutexLock lock(&mutex);
      if (!failed.exchange(true)) {
        error = std::move(status);
      } else {
        status.IgnoreError();
      }
    }
  });
  return error;
}

}  // namespace leadline::index::hnsw
