#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <google/protobuf/message.h>

#include "channel.h"
#include "leadline/core/mutex.h"
#include "leadline/core/rng.h"
#include "leadline/core/status.h"

namespace leadline::rpc {

/// Whether a call may be sent again when its answer is lost.
enum class Repeat {
  kNever,
  kRead,   ///< it changes nothing
  kWrite,  ///< it has an idempotency key
};

/// Sends calls, and sends again those that failed with kUnavailable and may be repeated: within the
/// call's own time, after pauses that grow and are random. Thread-safe.
class Retrier {
 public:
  /// kUnavailable where the system has no random bytes.
  static Result<std::unique_ptr<Retrier>> Make(std::shared_ptr<Channel> channel,
                                               uint32_t max_retries);

  /// As Channel::Call. A write fails with kUnavailable too when it was refused after an answer to
  /// it had been lost: nobody knows of the first.
  Status Call(const std::string& path, const google::protobuf::Message& request,
              google::protobuf::Message* response, const Channel::Limits& limits, Repeat repeat);
  /// As Channel::CallAsync of what changes nothing; pauses keep no thread. This, `request` and
  /// `response` must live until `ended` was called.
  void ReadAsync(const std::string& path, const google::protobuf::Message& request,
                 google::protobuf::Message* response, const Channel::Limits& limits,
                 Channel::Ended ended);
  /// As Channel::Listen of what changes nothing: opens the stream again where it is lost, and
  /// counts anew whenever something was heard.
  Status Listen(const std::string& path, const google::protobuf::Message& request,
                google::protobuf::Message* response, const Channel::Limits& limits,
                const std::function<void()>& heard);
  /// An idempotency key that no other write has; empty where nothing is ever sent again.
  std::string NewKey();
  /// Ends the pauses: calls return what they have failed with.
  void Stop();

 private:
  Retrier(std::shared_ptr<Channel> channel, uint32_t max_retries, std::string key_prefix,
          uint64_t seed)
      : channel_(std::move(channel)),
        max_retries_(max_retries),
        key_prefix_(std::move(key_prefix)),
        rng_(seed) {}

  struct AsyncRead;

  /// One attempt, and those after it.
  void Send(const std::shared_ptr<AsyncRead>& read);
  /// Milliseconds until a read that failed with kUnavailable is sent again; nothing where it is
  /// not.
  std::optional<int64_t> PauseBefore(AsyncRead* read);
  /// The pause before attempt 1, 2, ..
  int64_t PauseMs(uint32_t attempt) LEADLINE_EXCLUDES(mutex_);
  [[nodiscard]] bool Stopping() LEADLINE_EXCLUDES(mutex_);
  /// False where it was ended.
  bool Pause(int64_t pause_ms, const CancelToken* cancel) LEADLINE_EXCLUDES(mutex_);

  const std::shared_ptr<Channel> channel_;
  const uint32_t max_retries_;
  const std::string key_prefix_;
  std::atomic<uint64_t> next_key_{1};
  Mutex mutex_;
  CondVar stop_;
  bool stopping_ LEADLINE_GUARDED_BY(mutex_) = false;
  Rng rng_ LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace leadline::rpc
