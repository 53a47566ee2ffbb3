#pragma once

#include <memory>
#include <utility>
#include <vector>

#include <grpcpp/completion_queue.h>

#include "leadline/core/mutex.h"

namespace leadline::rpc {

/// Completion queues that calls use one after the other: making one for each call costs a call some
/// percent of its time. Holds as many as there were calls at once. Thread-safe.
class QueuePool {
 public:
  /// A queue for one user, who has taken all events out by the time this ends.
  class Lease {
   public:
    explicit Lease(QueuePool* pool) : pool_(pool), queue_(pool->Take()) {}

    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    ~Lease() { pool_->GiveBack(std::move(queue_)); }

    [[nodiscard]] grpc::CompletionQueue* queue() { return queue_.get(); }

   private:
    QueuePool* const pool_;
    std::unique_ptr<grpc::CompletionQueue> queue_;
  };

 private:
  std::unique_ptr<grpc::CompletionQueue> Take() {
    MutexLock lock(&mutex_);
    if (idle_.empty()) {
      return std::make_unique<grpc::CompletionQueue>();
    }
    std::unique_ptr<grpc::CompletionQueue> queue = std::move(idle_.back());
    idle_.pop_back();
    return queue;
  }

  void GiveBack(std::unique_ptr<grpc::CompletionQueue> queue) {
    MutexLock lock(&mutex_);
    idle_.push_back(std::move(queue));
  }

  Mutex mutex_;
  std::vector<std::unique_ptr<grpc::CompletionQueue>> idle_ LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace leadline::rpc
