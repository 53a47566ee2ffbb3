#include "leadline/rpc/http_server.h"

#include <algorithm>
#include <memory>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include "http_session.h"
#include "leadline/core/mutex.h"
#include "leadline/rpc/address.h"
#include "leadline/rpc/listening_socket.h"
#include "session_table.h"

namespace leadline::rpc {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using Protocol = asio::generic::stream_protocol;

/// How often the callers of calls in flight are looked for.
constexpr int64_t kWatchMs = 50;
/// The pause after an accept that failed, for want of descriptors say.
constexpr int64_t kAcceptPauseMs = 50;
constexpr size_t kMaxConnections = 10'000;

size_t ThreadsOf(const HttpServerOptions& options) {
  return options.threads != 0 ? options.threads
                              : std::max<size_t>(1, std::thread::hardware_concurrency());
}

/// What is left of the process's descriptors goes to files and to gRPC.
Result<size_t> ConnectionsOf(const HttpServerOptions& options) {
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const size_t most = std::max<size_t>(1, limit.rlim_cur / 4);
  if (options.max_connections > most) {
    return InvalidFieldError("more than a quarter of the limit on open files", "connections",
                             std::to_string(options.max_connections), std::to_string(most));
  }
  return options.max_connections != 0 ? options.max_connections : std::min(most, kMaxConnections);
}

/// Accepts connections of one socket until it is closed, and serves them. Its steps run on a strand
/// of its own.
class Accepting {
 public:
  Accepting(asio::io_context* io, int listening, SessionScope* scope)
      : io_(*io),
        scope_(*scope),
        acceptor_(asio::make_strand(*io)),
        pause_(acceptor_.get_executor()) {
    ErrorCode ignored;
    acceptor_.assign(Protocol(AF_UNSPEC, 0), ::dup(listening), ignored);
    Accept();
  }

  void Close() {
    asio::post(acceptor_.get_executor(), [this] {
      ErrorCode ignored;
      acceptor_.close(ignored);
      pause_.cancel();
    });
  }

 private:
  void Accept() {
    acceptor_.async_accept(asio::make_strand(io_), [this](ErrorCode error, auto socket) {
      if (!acceptor_.is_open()) {
        return;
      }
      if (error) {
        Pause();
        return;
      }
      ErrorCode ignored;
      socket.set_option(asio::ip::tcp::no_delay(true), ignored);
      ServeConnection(std::move(socket), &scope_);
      Accept();
    });
  }

  void Pause() {
    pause_.expires_after(std::chrono::milliseconds(kAcceptPauseMs));
    pause_.async_wait([this](ErrorCode /*error*/) {
      if (acceptor_.is_open()) {
        Accept();
      }
    });
  }

  asio::io_context& io_;
  SessionScope& scope_;
  asio::basic_socket_acceptor<Protocol> acceptor_;
  asio::steady_timer pause_;
};

class BeastServer final : public HttpServer {
 public:
  BeastServer(Service* service, const HttpServerOptions& options, size_t max_connections)
      : table_(max_connections, options.memory_bytes) {
    scope_.service = service;
    scope_.table = &table_;
    scope_.options = options;
  }

  BeastServer(const BeastServer&) = delete;
  BeastServer& operator=(const BeastServer&) = delete;

  ~BeastServer() override { Shutdown(0); }

  Status Listen() {
    LEADLINE_ASSIGN_OR_RETURN(const Address address,
                              ParseAddress("address", scope_.options.address));
    if (scope_.options.tls) {
      LEADLINE_ASSIGN_OR_RETURN(scope_.tls,
                                TlsContexts::Open(*scope_.options.tls, scope_.options.tls_refused));
    }
    LEADLINE_ASSIGN_OR_RETURN(ListeningSockets sockets, ListeningSockets::Bind(address));
    sockets_ = std::make_unique<ListeningSockets>(std::move(sockets));
    for (const Descriptor& socket : sockets_->sockets()) {
      accepting_.push_back(std::make_unique<Accepting>(&io_, socket.get(), &scope_));
    }
    for (size_t i = 0; i < ThreadsOf(scope_.options); ++i) {
      threads_.emplace_back([this] { io_.run(); });
    }
    watcher_ = std::thread([this] { Watch(); });
    return {};
  }

  [[nodiscard]] int port() const override { return sockets_->port(); }

  void Shutdown(int64_t patience_ms) override {
    if (threads_.empty()) {
      return;
    }
    scope_.draining.store(true);
    sockets_->Close();
    for (const auto& accepting : accepting_) {
      accepting->Close();
    }
    table_.EndIdle();
    if (!table_.WaitForNone(patience_ms)) {
      table_.CutAll();
      while (!table_.WaitForNone(kWatchMs)) {
        table_.CutAll();
      }
    }
    StopWatching();
    work_.reset();
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }

 private:
  void Watch() {
    MutexLock lock(&mutex_);
    while (!stop_watching_) {
      stop_.WaitFor(&mutex_, kWatchMs);
      table_.CheckCallers();
    }
  }

  void StopWatching() {
    {
      MutexLock lock(&mutex_);
      stop_watching_ = true;
      stop_.NotifyAll();
    }
    watcher_.join();
  }

  SessionTable table_;
  SessionScope scope_;
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
  std::unique_ptr<ListeningSockets> sockets_;
  std::vector<std::unique_ptr<Accepting>> accepting_;
  std::vector<std::thread> threads_;
  std::thread watcher_;
  Mutex mutex_;
  CondVar stop_;
  bool stop_watching_ LEADLINE_GUARDED_BY(mutex_) = false;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(Service* service,
                                                      const HttpServerOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(const size_t max_connections, ConnectionsOf(options));
  auto server = std::make_unique<BeastServer>(service, options, max_connections);
  LEADLINE_RETURN_IF_ERROR(server->Listen());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace leadline::rpc
