#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "async_calls.h"
#include "channel_security.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "queue_pool.h"

namespace leadline::rpc {

/// One connection and what is sent with every call. Thread-safe. Virtual where tests send the same
/// calls another way.
class Channel {
 public:
  Channel(const std::string& address, const ChannelSecurity& security, int64_t call_timeout_ms);

  /// Without TLS.
  Channel(const std::string& address, std::string token, int64_t call_timeout_ms)
      : Channel(address, PlainChannel(std::move(token)), call_timeout_ms) {}

  virtual ~Channel() = default;

  /// kUnavailable where nobody answers in time, and at once where the two ends cannot agree on TLS.
  Status WaitForServer(int64_t timeout_ms);

  /// The time of a call that names none.
  [[nodiscard]] int64_t call_timeout_ms() const { return call_timeout_ms_; }

  /// When a call has to end. `timeout_ms` 0 means the channel's own.
  struct Limits {
    int64_t timeout_ms = 0;
    bool unlimited = false;  ///< no deadline where `timeout_ms` is 0
    const CancelToken* cancel = nullptr;
  };

  /// One request of the method `path`, one response.
  virtual Status Call(const std::string& path, const google::protobuf::Message& request,
                      google::protobuf::Message* response, const Limits& limits);

  /// How an asynchronous call ended.
  using Ended = std::function<void(const Status&)>;

  /// Call that does not wait: `ended` is called once, on the thread that takes answers or, for what
  /// is wrong with the call itself, on this one. `response` and the token must live until then.
  virtual void CallAsync(const std::string& path, const google::protobuf::Message& request,
                         google::protobuf::Message* response, const Limits& limits,
                         const Ended& ended);

  /// Runs `work` in `pause_ms` on the thread that takes answers. Only for Ended, from that thread.
  void RunLater(int64_t pause_ms, std::function<void()> work) {
    async_.RunLater(pause_ms, std::move(work));
  }

  /// One request of the method `path`, and `heard` for each response, which is parsed into
  /// `response`. OK where the server ended it.
  virtual Status Listen(const std::string& path, const google::protobuf::Message& request,
                        google::protobuf::Message* response, const Limits& limits,
                        const std::function<void()>& heard);

 private:
  /// What every call brings.
  void Prepare(const Limits& limits, grpc::ClientContext* context) const;
  /// Why the last attempt to connect failed; OK where a connection is there by now.
  Status AskForHealth(gpr_timespec deadline);

  const std::string address_;
  const std::string authorization_;
  const bool tls_;
  const int64_t call_timeout_ms_;
  std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  QueuePool queues_;
  AsyncCalls async_;
};

}  // namespace leadline::rpc
