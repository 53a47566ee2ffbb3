#include "leadline/rpc/grpc_server.h"

#include <algorithm>
#include <functional>
#include <sys/resource.h>
#include <thread>
#include <utility>
#include <vector>

#include <absl/synchronization/mutex.h>
#include <grpc/support/time.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

#include "connection_gate.h"
#include "grpc_call.h"
#include "leadline/core/clock.h"
#include "leadline/core/mutex.h"
#include "leadline/core/thread_priority.h"
#include "leadline/rpc/address.h"
#include "leadline/rpc/limits.h"
#include "tls_credentials.h"

namespace leadline::rpc {
namespace {

constexpr int kKeepaliveMs = 60'000;
constexpr int kMinPingIntervalMs = 10'000;
/// A client connects again then, so that a certificate that was replaced or has expired loses its
/// hold. Calls in flight go on as long as they take.
constexpr int kConnectionAgeMs = 3'600'000;
constexpr size_t kMaxDefaultConnections = 10'000;
/// Read from a connection at a time; by itself gRPC would take 4 MiB of one that sends much, and
/// work on them before it turns to others.
constexpr int kReadBytes = 16 << 10;
/// Between two times to tell of connections that were cut.
constexpr int64_t kTellNanos = 1'000'000'000;
/// On a processor, of threads that read calls and watch connections: beside threads that have turns
/// of the usual milliseconds, those of builds, writes and other programs, they begin as soon as
/// they have work.
constexpr int64_t kTurnNanos = 400'000;
/// Calls that wait to be taken while others arrive.
constexpr int kAwaitedCalls = 64;

/// kInvalidArgument for more than the descriptors that are there.
Result<size_t> ConnectionsOf(size_t wanted) {
  rlimit files = {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const auto half = std::max<size_t>(1, files.rlim_cur / 2);  // the database needs the others
  if (wanted > half) {
    return InvalidFieldError("more connections than descriptors for them", "--connections",
                             std::to_string(wanted),
                             std::to_string(half) + ", half of the limit on open files");
  }
  return wanted != 0 ? wanted : std::min(kMaxDefaultConnections, half);
}

/// One reads while a search runs in each of the usual slots.
size_t ThreadsOf(const GrpcServerOptions& options) {
  return options.polling_threads != 0
             ? options.polling_threads
             : std::max<size_t>(1, std::thread::hardware_concurrency()) + 2;
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
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, options.handshake_timeout_ms);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, kConnectionAgeMs);
  builder->AddChannelArgument(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, kReadBytes);
  grpc::ResourceQuota quota("leadline");
  quota.Resize(options.memory_bytes);
  builder->SetResourceQuota(quota);
}

class AsyncGrpcServer final : public GrpcServer {
 public:
  AsyncGrpcServer(Service* service, const GrpcServerOptions& options)
      : service_(service), transfer_ms_(options.transfer_ms), cut_(options.connections_cut) {}

  AsyncGrpcServer(const AsyncGrpcServer&) = delete;
  AsyncGrpcServer& operator=(const AsyncGrpcServer&) = delete;

  ~AsyncGrpcServer() override { Shutdown(0); }

  Status Listen(const GrpcServerOptions& options) {
    // Debian's Abseil looks for cycles in the order of locks, as a debug build does: a graph of
    // them, searched under one lock, whenever gRPC takes one.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    LEADLINE_ASSIGN_OR_RETURN(const Address address, ParseAddress("address", options.address));
    LEADLINE_ASSIGN_OR_RETURN(const size_t connections, ConnectionsOf(options.max_connections));
    std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
    if (options.tls) {
      LEADLINE_ASSIGN_OR_RETURN(
          tls_, TlsReloader::Open(*options.tls, Clock::System(), options.tls_refused));
      credentials = NewTlsCredentials(tls_.get());
    }
    LEADLINE_ASSIGN_OR_RETURN(
        gate_, ConnectionGate::Listen(address, {connections, options.cut_pause_ms}, &ledger_));
    grpc::ServerBuilder builder;
    SetLimits(options, &builder);
    using External = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
    acceptor_ =
        builder.experimental().AddExternalConnectionAcceptor(External::FROM_FD, credentials);
    builder.RegisterAsyncGenericService(&generic_);
    queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      return UnavailableError("cannot serve: address=" + options.address);
    }
    for (int i = 0; i < kAwaitedCalls; ++i) {
      GrpcCall::Await(
          {service_, &generic_, queue_.get(), &calls_, &ledger_, gate_.get(), transfer_ms_});
    }
    for (size_t i = 0; i < ThreadsOf(options); ++i) {
      threads_.emplace_back([this] {
        ShortenTurns(kTurnNanos);
        Poll();
      });
    }
    watcher_ = std::thread([this] {
      ShortenTurns(kTurnNanos);  // those who flood keep the others busy
      Watch();
    });
    gate_->Open([this](int listener, int connection) { Take(listener, connection); });
    return {};
  }

  [[nodiscard]] int port() const override { return gate_->port(); }

  void Shutdown(int64_t patience_ms) override {
    if (threads_.empty()) {
      return;
    }
    // First, because gRPC forgets to close what it is given from then on.
    gate_->Close();
    server_->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                   gpr_time_from_millis(patience_ms, GPR_TIMESPAN)));
    // Work that still runs starts steps on the queue, which must not be closed by then.
    calls_.WaitForNone();
    StopWatching();
    queue_->Shutdown();
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }

 private:
  void Take(int listener, int connection) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
    parameters.listener_fd = listener;
    parameters.fd = connection;
    acceptor_->HandleNewConnection(&parameters);
  }

  void Poll() {
    void* tag = nullptr;
    bool ok = false;
    bool got = queue_->Next(&tag, &ok);
    while (got) {
      const auto& event = *static_cast<const GrpcCall::Tag*>(tag);
      if (event.event == GrpcCall::Event::kArrived) {
        got = ThenNext(event, &tag, &ok);
      } else {
        GrpcCall::OnEvent(event, ok);
        got = queue_->Next(&tag, &ok);
      }
    }
  }

  /// Handles `event`, and keeps for this thread what that completes: the request that mostly is
  /// there by then, so that no other thread is woken for it. Only for what takes no time, because
  /// until then the thread keeps it from all others, whoever's it is. False after the last event.
  bool ThenNext(const GrpcCall::Tag& event, void** tag, bool* ok) {
    return queue_->DoThenAsyncNext([&event, ok] { GrpcCall::OnEvent(event, *ok); }, tag, ok,
                                   gpr_inf_future(GPR_CLOCK_REALTIME)) ==
           grpc::CompletionQueue::GOT_EVENT;
  }

  /// Ends calls that wait for callers who do nothing, and connections that flood.
  void Watch() {
    MutexLock lock(&mutex_);
    while (!stop_watching_) {
      calls_.EndStalled(Clock::System()->MonotonicNanos());
      const ConnectionGate::Judgement judgement = gate_->Judge();
      cut_connections_ += judgement.cut;
      const int64_t now = Clock::System()->MonotonicNanos();
      if (now - told_nanos_ >= kTellNanos) {
        TellOfCuts();
        told_nanos_ = now;
      }
      stop_.WaitFor(&mutex_, judgement.pause_ms);
    }
    TellOfCuts();
  }

  void TellOfCuts() {
    if (cut_connections_ != 0 && cut_) {
      cut_(cut_connections_);
    }
    cut_connections_ = 0;
  }

  void StopWatching() {
    {
      MutexLock lock(&mutex_);
      stop_watching_ = true;
      stop_.NotifyAll();
    }
    watcher_.join();
  }

  Service* const service_;
  const int64_t transfer_ms_;
  const std::function<void(size_t)> cut_;
  ConnectionLedger ledger_;
  grpc::AsyncGenericService generic_;
  std::unique_ptr<TlsReloader> tls_;  // outlives the server's credentials
  size_t cut_connections_ = 0;        // of the watcher: since it told of them
  int64_t told_nanos_ = 0;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<ConnectionGate> gate_;
  CallTable calls_;
  std::vector<std::thread> threads_;
  std::thread watcher_;
  Mutex mutex_;
  CondVar stop_;
  bool stop_watching_ LEADLINE_GUARDED_BY(mutex_) = false;
};

}  // namespace

Status CheckConnections(size_t wanted) {
  return ConnectionsOf(wanted).status();
}

Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(Service* service,
                                                      const GrpcServerOptions& options) {
  auto server = std::make_unique<AsyncGrpcServer>(service, options);
  LEADLINE_RETURN_IF_ERROR(server->Listen(options));
  return std::unique_ptr<GrpcServer>(std::move(server));
}

}  // namespace leadline::rpc
