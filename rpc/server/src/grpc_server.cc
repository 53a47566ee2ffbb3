#include "leadline/rpc/grpc_server.h"

#include <algorithm>
#include <atomic>
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
#include "leadline/rpc/lane.h"
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
/// How long nobody may read before one stands in: at first, for looking costs little then, and once
/// it happened.
constexpr int64_t kLongUnreadMs = 16;
constexpr int64_t kUnreadMs = 1;
/// Events that a thread handles between two searches at most, or one more.
constexpr int kEventsAtOnce = 64;
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

/// As many as the usual slots for searches: a thread that waits for calls while others search would
/// be woken by the end of each. Those who search look for calls in between, and where all of them
/// take long one stands in.
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
        const BetweenWorks between([this] { HandleWhatIsThere(); });
        Poll();
      });
    }
    stand_in_ = std::thread([this] {
      ShortenTurns(kTurnNanos);
      StandIn();
    });
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
    StopHelpers();
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
    while (HandleEvents(gpr_inf_future(GPR_CLOCK_REALTIME))) {
    }
  }

  /// Of a thread that has a search to do.
  void HandleWhatIsThere() { HandleEvents(gpr_inf_past(GPR_CLOCK_REALTIME)); }

  /// Handles what comes until `deadline`, kEventsAtOnce or one more. False after the last event.
  bool HandleEvents(gpr_timespec deadline) {
    void* tag = nullptr;
    bool ok = false;
    grpc::CompletionQueue::NextStatus next = Next(&tag, &ok, deadline);
    for (int i = 0; next == grpc::CompletionQueue::GOT_EVENT; ++i) {
      const auto& event = *static_cast<const GrpcCall::Tag*>(tag);
      if (event.event == GrpcCall::Event::kArrived) {
        next = ThenNext(event, &tag, &ok, deadline);
      } else {
        GrpcCall::OnEvent(event, ok);
        if (i >= kEventsAtOnce) {
          return true;
        }
        next = Next(&tag, &ok, deadline);
      }
    }
    return next == grpc::CompletionQueue::TIMEOUT;
  }

  grpc::CompletionQueue::NextStatus Next(void** tag, bool* ok, gpr_timespec deadline) {
    readers_.fetch_add(1);
    const auto next = queue_->AsyncNext(tag, ok, deadline);
    reads_.fetch_add(1);
    readers_.fetch_sub(1);
    return next;
  }

  /// Handles `event`, and keeps for this thread what that completes: the request that mostly is
  /// there by then, so that no other thread is woken for it. Only for what takes no time, because
  /// until then the thread keeps it from all others, whoever's it is.
  grpc::CompletionQueue::NextStatus ThenNext(const GrpcCall::Tag& event, void** tag, bool* ok,
                                             gpr_timespec deadline) {
    readers_.fetch_add(1);
    const auto next =
        queue_->DoThenAsyncNext([&event, ok] { GrpcCall::OnEvent(event, *ok); }, tag, ok, deadline);
    reads_.fetch_add(1);
    readers_.fetch_sub(1);
    return next;
  }

  /// Reads calls while all other threads are busy, and have been for a while.
  void StandIn() {
    int64_t pause_ms = kLongUnreadMs;
    uint64_t reads = 0;
    while (PauseUnlessStopped(pause_ms)) {
      if (readers_.load() == 0 && reads_.load() == reads) {
        HandleWhatIsThere();
        pause_ms = kUnreadMs;
      } else {
        pause_ms = std::min(2 * pause_ms, kLongUnreadMs);
      }
      reads = reads_.load();
    }
  }

  /// False once the threads are to end.
  bool PauseUnlessStopped(int64_t pause_ms) {
    MutexLock lock(&mutex_);
    if (!stopping_) {
      stop_.WaitFor(&mutex_, pause_ms);
    }
    return !stopping_;
  }

  /// Ends calls that wait for callers who do nothing, and connections that flood.
  void Watch() {
    MutexLock lock(&mutex_);
    while (!stopping_) {
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

  void StopHelpers() {
    {
      MutexLock lock(&mutex_);
      stopping_ = true;
      stop_.NotifyAll();
    }
    watcher_.join();
    stand_in_.join();
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
  std::atomic<int> readers_{0};     // threads that wait for events, or take them
  std::atomic<uint64_t> reads_{0};  // times that one did
  std::thread watcher_;
  std::thread stand_in_;
  Mutex mutex_;
  CondVar stop_;
  bool stopping_ LEADLINE_GUARDED_BY(mutex_) = false;
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
