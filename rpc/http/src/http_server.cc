#include "leadline/rpc/http_server.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include "http_session.h"
#include "leadline/core/mutex.h"
#include "session_table.h"

namespace leadline::rpc {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using Protocol = asio::generic::stream_protocol;
using Acceptor = asio::basic_socket_acceptor<Protocol>;

/// How often the callers of calls in flight are looked for.
constexpr int64_t kWatchMs = 50;
/// The pause after an accept that failed, for want of descriptors say.
constexpr int64_t kAcceptPauseMs = 50;
constexpr std::string_view kUnix = "unix:";

size_t ThreadsOf(const HttpServerOptions& options) {
  return options.threads != 0 ? options.threads
                              : std::max<size_t>(1, std::thread::hardware_concurrency());
}

Result<Protocol::endpoint> ParseAddress(const std::string& address) {
  if (address.starts_with(kUnix)) {
    try {
      return Protocol::endpoint(
          asio::local::stream_protocol::endpoint(address.substr(kUnix.size())));
    } catch (const std::exception&) {
      return InvalidFieldError("path of a socket too long", "address", address, "107 bytes");
    }
  }
  const size_t colon = address.rfind(':');
  const std::string_view port_text =
      colon == std::string::npos ? "" : std::string_view(address).substr(colon + 1);
  uint16_t port = 0;
  const auto [end, bad] =
      std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  std::string host = address.substr(0, colon);
  if (host == "localhost") {
    host = "127.0.0.1";
  } else if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  ErrorCode error;
  const auto ip = asio::ip::make_address(host, error);
  if (error || bad != std::errc() || port_text.empty() || end != port_text.end()) {
    return InvalidFieldError("not an address", "address", address.substr(0, 128),
                             "HOST:PORT with a literal host, or unix:PATH");
  }
  return Protocol::endpoint(asio::ip::tcp::endpoint(ip, port));
}

class BeastServer final : public HttpServer {
 public:
  BeastServer(Service* service, const HttpServerOptions& options)
      : table_(options.max_connections, options.memory_bytes) {
    scope_.service = service;
    scope_.table = &table_;
    scope_.options = options;
  }

  BeastServer(const BeastServer&) = delete;
  BeastServer& operator=(const BeastServer&) = delete;

  ~BeastServer() override { Shutdown(0); }

  Status Listen() {
    LEADLINE_ASSIGN_OR_RETURN(const Protocol::endpoint endpoint,
                              ParseAddress(scope_.options.address));
    ErrorCode error = Bind(endpoint);
    if (error) {
      return UnavailableError("cannot listen: address=" + scope_.options.address +
                              " reason=" + error.message());
    }
    Accept();
    for (size_t i = 0; i < ThreadsOf(scope_.options); ++i) {
      threads_.emplace_back([this] { io_.run(); });
    }
    watcher_ = std::thread([this] { Watch(); });
    return {};
  }

  [[nodiscard]] int port() const override { return port_; }

  void Shutdown(int64_t patience_ms) override {
    if (threads_.empty()) {
      return;
    }
    scope_.draining.store(true);
    asio::post(acceptor_.get_executor(), [this] {
      ErrorCode ignored;
      acceptor_.close(ignored);
      pause_.cancel();
    });
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
    if (scope_.options.address.starts_with(kUnix)) {
      ::unlink(scope_.options.address.c_str() + kUnix.size());
    }
  }

 private:
  ErrorCode Bind(const Protocol::endpoint& endpoint) {
    ErrorCode error;
    const bool is_path = scope_.options.address.starts_with(kUnix);
    acceptor_.open(endpoint.protocol(), error);
    if (error) {
      return error;
    }
    if (is_path) {
      RemoveAbandoned(endpoint);
    } else {
      acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    }
    acceptor_.bind(endpoint, error);
    if (!error && is_path && ::chmod(scope_.options.address.c_str() + kUnix.size(), 0600) != 0) {
      error = ErrorCode(errno, boost::system::system_category());
    }
    if (!error) {
      acceptor_.listen(asio::socket_base::max_listen_connections, error);
    }
    if (!error && !is_path) {
      port_ = LocalPort();
    }
    return error;
  }

  /// A killed process leaves its socket behind; nobody answers there.
  void RemoveAbandoned(const Protocol::endpoint& endpoint) {
    Protocol::socket probe(io_);
    ErrorCode error;
    probe.connect(endpoint, error);
    if (error == boost::system::errc::connection_refused) {
      ::unlink(scope_.options.address.c_str() + kUnix.size());
    }
  }

  int LocalPort() {
    ErrorCode ignored;
    const Protocol::endpoint bound = acceptor_.local_endpoint(ignored);
    asio::ip::tcp::endpoint endpoint;
    if (bound.size() <= endpoint.capacity()) {
      std::memcpy(endpoint.data(), bound.data(), bound.size());
    }
    return endpoint.port();
  }

  void Accept() {
    acceptor_.async_accept(asio::make_strand(io_), [this](ErrorCode error, auto socket) {
      if (!acceptor_.is_open() || scope_.draining.load()) {
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
    pause_.async_wait([this](ErrorCode) {
      if (acceptor_.is_open()) {
        Accept();
      }
    });
  }

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
  // One strand for both, as they share the acceptor.
  Acceptor acceptor_{asio::make_strand(io_)};
  asio::steady_timer pause_{acceptor_.get_executor()};
  int port_ = 0;
  std::vector<std::thread> threads_;
  std::thread watcher_;
  Mutex mutex_;
  CondVar stop_;
  bool stop_watching_ LEADLINE_GUARDED_BY(mutex_) = false;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(Service* service,
                                                      const HttpServerOptions& options) {
  auto server = std::make_unique<BeastServer>(service, options);
  LEADLINE_RETURN_IF_ERROR(server->Listen());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace leadline::rpc
