#include "build_parallel.h"

#include <atomic>
#include <new>
#include <utility>

#include "leadline/core/mutex.h"

namespace leadline::index::hnsw {
namespace {

Status NoThrow(const std::function<Status(size_t)>& body, size_t i) {
  try {
    return body(i);
  } catch (const std::bad_alloc&) {
    return ResourceExhaustedError("out of memory while building an hnsw graph");
  }
}

}  // namespace

Status ForEachInParallel(Executor* executor, size_t n, const std::function<Status(size_t)>& body) {
  std::atomic<bool> failed{false};
  Mutex mutex;
  Status error;
  ParallelFor(executor, n, [&](size_t i) {
    if (failed.load(std::memory_order_relaxed)) {
      return;
    }
    Status status = NoThrow(body, i);
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
