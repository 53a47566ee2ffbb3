#include "channel.h"

#include <grpc/support/time.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include "leadline/rpc/error_wire.h"
#include "leadline/v1/health.pb.h"

namespace leadline::rpc {
namespace {

constexpr char kErrorTrailer[] = "leadline-error-bin";
constexpr int kMaxMessageBytes = 16 << 20;  // the server's
constexpr int kKeepaliveMs = 60'000;
constexpr int kFirstReconnectMs = 100;
constexpr int kLongestReconnectMs = 2000;
/// How often a call with a cancel token looks at it.
constexpr int64_t kCancelCheckMs = 10;

gpr_timespec In(int64_t ms) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

std::shared_ptr<grpc::Channel> Connect(const std::string& address,
                                       const ChannelSecurity& security) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A server that was started anew is found by the next attempt of a call.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLongestReconnectMs);
  // Handles of one process share nothing, so that closing one is seen by no other.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (security.direct) {
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  }
  if (!security.server_name.empty()) {
    arguments.SetSslTargetNameOverride(security.server_name);
  }
  return grpc::CreateCustomChannel(address, security.credentials, arguments);
}

grpc::ByteBuffer Serialize(const google::protobuf::Message& message) {
  grpc::ByteBuffer bytes;
  grpc::ProtoBufferWriter writer(&bytes, grpc::kProtoBufferWriterMaxBufferLength,
                                 static_cast<int>(message.ByteSizeLong()));
  message.SerializeToZeroCopyStream(&writer);
  return bytes;
}

/// What the server said, from the trailer where it is ours, else from the transport.
Status ErrorOf(const grpc::Status& status, const grpc::ClientContext& context) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto found = trailers.find(kErrorTrailer);
  v1::Error error;
  if (found != trailers.end() &&
      error.ParseFromArray(found->second.data(), static_cast<int>(found->second.size()))) {
    return ReadError(error);
  }
  if (status.error_code() == grpc::StatusCode::CANCELLED) {
    return UnavailableError("the server ended the call");
  }
  return {static_cast<StatusCode>(status.error_code()), status.error_message()};
}

/// True where gRPC's words say that the two ends will not agree, now or later.
bool IsHandshakeFailure(const std::string& message) {
  for (const char* words : {"Ssl handshake failed", "is not in peer certificate", "ALPN"}) {
    if (message.find(words) != std::string::npos) {
      return true;
    }
  }
  return false;
}

/// What the last failure to connect adds to "no server answers".
std::string Reason(const Status& failure) {
  if (failure.ok()) {
    return "";
  }
  // All that a client sees of a server that refuses its certificate, or wants TLS.
  const bool closed = failure.message().find("Socket closed") != std::string::npos;
  return ": " + failure.message() +
         (closed ? " (as a server does that wants TLS, or another certificate of the client)" : "");
}

/// Waits for the one event of `queue`, or for the token. What the event says.
bool WaitForEnd(grpc::CompletionQueue* queue, grpc::ClientContext* context,
                const CancelToken* cancel) {
  void* tag = nullptr;
  bool ok = false;
  if (cancel == nullptr) {
    queue->Next(&tag, &ok);
    return ok;
  }
  while (queue->AsyncNext(&tag, &ok, In(kCancelCheckMs)) == grpc::CompletionQueue::TIMEOUT) {
    if (cancel->cancelled()) {
      context->TryCancel();
      queue->Next(&tag, &ok);
      return ok;
    }
  }
  return ok;
}

Status CheckSize(const google::protobuf::Message& request) {
  return request.ByteSizeLong() <= kMaxMessageBytes
             ? OkStatus()
             : InvalidFieldError("request too large for one call", "request bytes",
                                 std::to_string(request.ByteSizeLong()),
                                 std::to_string(kMaxMessageBytes));
}

Status Parse(const std::string& path, grpc::ByteBuffer* bytes,
             google::protobuf::Message* response) {
  grpc::ProtoBufferReader reader(bytes);
  return response->ParseFromZeroCopyStream(&reader)
             ? OkStatus()
             : DataLossError("the server's answer cannot be parsed: method=" + path);
}

/// How a call ended that the caller may have cancelled.
Status Outcome(const grpc::Status& status, const grpc::ClientContext& context,
               const CancelToken* cancel) {
  if (status.ok()) {
    return {};
  }
  return cancel != nullptr && cancel->cancelled() ? CancelledError("cancelled by the caller")
                                                  : ErrorOf(status, context);
}

}  // namespace

Channel::Channel(const std::string& address, const ChannelSecurity& security,
                 int64_t call_timeout_ms)
    : address_(address),
      authorization_(security.token.empty() ? "" : "Bearer " + security.token),
      tls_(security.tls),
      call_timeout_ms_(call_timeout_ms),
      channel_(rpc::Connect(address, security)),
      stub_(channel_) {}

Status Channel::WaitForServer(int64_t timeout_ms) {
  const gpr_timespec deadline = In(timeout_ms);
  Status failure;
  grpc_connectivity_state state = channel_->GetState(true);
  while (state != GRPC_CHANNEL_READY) {
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE) {
      failure = AskForHealth(deadline);
      if (tls_ && IsHandshakeFailure(failure.message())) {
        return UnavailableError("TLS handshake failed: address=" + address_ + ": " +
                                failure.message());
      }
    }
    if (!channel_->WaitForStateChange(state, deadline)) {
      return UnavailableError("no server answers: address=" + address_ + " waited " +
                              std::to_string(timeout_ms) + " ms" + Reason(failure));
    }
    state = channel_->GetState(true);
  }
  return {};
}

Status Channel::AskForHealth(gpr_timespec deadline) {
  grpc::ClientContext context;
  context.set_deadline(deadline);
  grpc::CompletionQueue queue;
  const auto call = stub_.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check",
                                           Serialize(v1::HealthRequest()), &queue);
  call->StartCall();
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->Finish(&answer, &status, nullptr);
  WaitForEnd(&queue, &context, nullptr);
  return status.ok() ? OkStatus() : ErrorOf(status, context);
}

void Channel::Prepare(const Limits& limits, grpc::ClientContext* context) const {
  if (!authorization_.empty()) {
    context->AddMetadata("authorization", authorization_);
  }
  if (limits.timeout_ms > 0 || !limits.unlimited) {
    context->set_deadline(In(limits.timeout_ms > 0 ? limits.timeout_ms : call_timeout_ms_));
  }
}

Status Channel::Call(const std::string& path, const google::protobuf::Message& request,
                     google::protobuf::Message* response, const Limits& limits) {
  LEADLINE_RETURN_IF_ERROR(CheckSize(request));
  if (limits.cancel != nullptr && limits.cancel->cancelled()) {
    return CancelledError("cancelled before the call");
  }
  grpc::ClientContext context;
  Prepare(limits, &context);
  QueuePool::Lease lease(&queues_);
  const auto call = stub_.PrepareUnaryCall(&context, path, Serialize(request), lease.queue());
  call->StartCall();
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->Finish(&answer, &status, nullptr);
  WaitForEnd(lease.queue(), &context, limits.cancel);
  LEADLINE_RETURN_IF_ERROR(Outcome(status, context, limits.cancel));
  return Parse(path, &answer, response);
}

void Channel::CallAsync(const std::string& path, const google::protobuf::Message& request,
                        google::protobuf::Message* response, const Limits& limits,
                        const Ended& ended) {
  const Status fits = CheckSize(request);
  if (!fits.ok() || (limits.cancel != nullptr && limits.cancel->cancelled())) {
    ended(fits.ok() ? CancelledError("cancelled before the call") : fits);
    return;
  }
  auto call = std::make_unique<AsyncCall>();
  Prepare(limits, &call->context);
  call->cancel = limits.cancel;
  call->ended = [path, response, ended](AsyncCall* done) {
    Status status = Outcome(done->status, done->context, done->cancel);
    if (status.ok()) {
      status = Parse(path, &done->answer, response);
    }
    ended(status);
  };
  call->reader = stub_.PrepareUnaryCall(&call->context, path, Serialize(request), async_.queue());
  const Status started = async_.Start(std::move(call));
  if (!started.ok()) {
    ended(started);
  }
}

Status Channel::Listen(const std::string& path, const google::protobuf::Message& request,
                       google::protobuf::Message* response, const Limits& limits,
                       const std::function<void()>& heard) {
  LEADLINE_RETURN_IF_ERROR(CheckSize(request));
  if (limits.cancel != nullptr && limits.cancel->cancelled()) {
    return CancelledError("cancelled before the call");
  }
  grpc::ClientContext context;
  Prepare(limits, &context);
  grpc::CompletionQueue queue;
  const auto stream = stub_.PrepareCall(&context, path, &queue);
  const auto step = [&] { return WaitForEnd(&queue, &context, limits.cancel); };
  stream->StartCall(nullptr);
  bool goes_on = step();
  if (goes_on) {
    stream->WriteLast(Serialize(request), grpc::WriteOptions(), nullptr);
    goes_on = step();
  }
  Status parsed;
  grpc::ByteBuffer answer;
  while (goes_on && parsed.ok()) {
    stream->Read(&answer, nullptr);
    goes_on = step();
    parsed = goes_on ? Parse(path, &answer, response) : OkStatus();
    if (goes_on && parsed.ok()) {
      heard();
    }
  }
  if (!parsed.ok()) {
    context.TryCancel();
  }
  grpc::Status status;
  stream->Finish(&status, nullptr);
  step();
  LEADLINE_RETURN_IF_ERROR(parsed);
  return Outcome(status, context, limits.cancel);
}

}  // namespace leadline::rpc
