#include "leadline/rpc/grpc_server.h"

#include <algorithm>
#include <sys/stat.h>
#include <thread>
#include <vector>

#include <absl/synchronization/mutex.h>
#include <grpc/support/time.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

#include "grpc_call.h"
#include "leadline/rpc/limits.h"

namespace leadline::rpc {
namespace {

constexpr int kKeepaliveMs = 60'000;
constexpr int kMinPingIntervalMs = 10'000;
/// Calls that wait to be taken while others arrive.
constexpr int kAwaitedCalls = 64;

size_t ThreadsOf(const GrpcServerOptions& options) {
  return options.polling_threads != 0
             ? options.polling_threads
             : std::max<size_t>(1, std::thread::hardware_concurrency()) + 1;
}

void SetLimits(const GrpcServerOptions& options, grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder->SetMaxSendMessageSize(kMaxMessageBytes);
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder->SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(kMaxHeaderBytes));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                              static_cast<int>(kMaxStreamsPerConnection));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              kMinPingIntervalMs);
  // A second server on the same port is an error, not a partner.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  grpc::ResourceQuota quota("leadline");
  quota.Resize(options.memory_bytes);
  builder->SetResourceQuota(quota);
}

/// While alive, sockets in the file system are made for their owner alone. The mask is the
/// process's: meant for the moment of starting.
class SocketsForOwner {
 public:
  SocketsForOwner() : before_(::umask(0177)) {}

  SocketsForOwner(const SocketsForOwner&) = delete;
  SocketsForOwner& operator=(const SocketsForOwner&) = delete;

  ~SocketsForOwner() { ::umask(before_); }

 private:
  const mode_t before_;
};

class AsyncGrpcServer final : public GrpcServer {
 public:
  explicit AsyncGrpcServer(Service* service) : service_(service) {}

  AsyncGrpcServer(const AsyncGrpcServer&) = delete;
  AsyncGrpcServer& operator=(const AsyncGrpcServer&) = delete;

  ~AsyncGrpcServer() override { Shutdown(0); }

  Status Listen(const GrpcServerOptions& options) {
    // Debian's Abseil looks for cycles in the order of locks, as a debug build does: a graph of
    // them, searched under one lock, whenever gRPC takes one.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    grpc::ServerBuilder builder;
    SetLimits(options, &builder);
    builder.AddListeningPort(options.address, grpc::InsecureServerCredentials(), &port_);
    builder.RegisterAsyncGenericService(&generic_);
    queue_ = builder.AddCompletionQueue();
    {
      const SocketsForOwner owner;
      server_ = builder.BuildAndStart();
    }
    if (server_ == nullptr) {
      return UnavailableError("cannot listen: address=" + options.address);
    }
    for (int i = 0; i < kAwaitedCalls; ++i) {
      GrpcCall::Await({service_, &generic_, queue_.get(), &calls_});
    }
    for (size_t i = 0; i < ThreadsOf(options); ++i) {
      threads_.emplace_back([this] { Poll(); });
    }
    return {};
  }

  [[nodiscard]] int port() const override { return std::max(0, port_); }

  void Shutdown(int64_t patience_ms) override {
    if (threads_.empty()) {
      return;
    }
    server_->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                   gpr_time_from_millis(patience_ms, GPR_TIMESPAN)));
    // Work that still runs starts steps on the queue, which must not be closed by then.
    calls_.WaitForNone();
    queue_->Shutdown();
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }

 private:
  void Poll() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_->Next(&tag, &ok)) {
      GrpcCall::OnEvent(*static_cast<const GrpcCall::Tag*>(tag), ok);
    }
  }

  Service* const service_;
  grpc::AsyncGenericService generic_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  CallCount calls_;
  int port_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(Service* service,
                                                      const GrpcServerOptions& options) {
  auto server = std::make_unique<AsyncGrpcServer>(service);
  LEADLINE_RETURN_IF_ERROR(server->Listen(options));
  return std::unique_ptr<GrpcServer>(std::move(server));
}

}  // namespace leadline::rpc
