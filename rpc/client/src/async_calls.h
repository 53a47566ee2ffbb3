#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "leadline/core/mutex.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"

namespace leadline::rpc {

/// A call that nobody waits for.
struct AsyncCall {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
  grpc::ByteBuffer answer;
  grpc::Status status;
  const CancelToken* cancel = nullptr;  ///< may be null; lives until `ended` was called
  /// Takes `answer` and `status`, on the thread of AsyncCalls. Must not throw.
  std::function<void(AsyncCall*)> ended;
};

/// Calls whose answers one thread takes, which begins with the first of them. Many of them cost a
/// program no thread each, and a processor no change between threads for each answer. Thread-safe.
/// The destructor waits for what is under way, but for a call on whose thread it runs.
class AsyncCalls {
 public:
  AsyncCalls() = default;

  AsyncCalls(const AsyncCalls&) = delete;
  AsyncCalls& operator=(const AsyncCalls&) = delete;

  ~AsyncCalls();

  /// Where the one step of a call reports, with the call as its tag.
  [[nodiscard]] grpc::CompletionQueue* queue() { return &core_->queue; }

  /// Sends `call`, whose reader has been prepared with queue(). kResourceExhausted where there is
  /// no thread to be had: then nothing was sent, and `ended` is not called.
  Status Start(std::unique_ptr<AsyncCall> call);
  /// Runs `work` on the thread in `pause_ms`. Only from that thread.
  void RunLater(int64_t pause_ms, std::function<void()> work);

 private:
  struct Pause {
    int64_t due_nanos = 0;
    std::function<void()> work;
  };

  /// What the thread goes on with where this object is gone.
  struct Core {
    grpc::CompletionQueue queue;
    std::atomic<size_t> open{0};  ///< calls and pauses
    std::vector<Pause> pauses;    ///< of the thread alone
    Mutex mutex;
    CondVar changed;
    bool closing LEADLINE_GUARDED_BY(mutex) = false;
    std::vector<AsyncCall*> watched LEADLINE_GUARDED_BY(mutex);  ///< those with a token

    void Run();
    /// False once nothing is open and nothing will be.
    bool WaitForCalls();
    void Take(AsyncCall* call);
    /// Cancels the calls whose token fired, and ends the pauses that are due.
    void LookAround(int64_t now_nanos);
  };

  Status BeginThread();

  const std::shared_ptr<Core> core_ = std::make_shared<Core>();
  Mutex mutex_;
  std::thread thread_ LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace leadline::rpc
