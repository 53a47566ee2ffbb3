#pragma once

/// The service over HTTP/1.1 and JSON.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "leadline/core/status.h"
#include "leadline/rpc/service.h"
#include "leadline/rpc/tls_files.h"

namespace leadline::rpc {

struct HttpServerOptions {
  /// "HOST:PORT" or "unix:PATH"; port 0 picks a free one.
  std::string address = "127.0.0.1:7700";
  /// That read, compute and write; 0 means one for each processor.
  size_t threads = 0;
  /// Without them connections are not encrypted. The files are read again within a second of each
  /// new connection; calls in flight go on. Files that became bad change nothing.
  std::optional<TlsFiles> tls;
  /// Told why changed files are not used, once for each reason; from a thread of the server.
  std::function<void(const Status&)> tls_refused;
  /// Open at a time; a new one beyond it takes the place of the longest idle one. 0 means 10,000,
  /// or a quarter of the limit on open files where that is less; more than that quarter is refused.
  size_t max_connections = 0;
  /// Of bodies that are being read or answered; calls beyond it are refused.
  size_t memory_bytes = size_t{1} << 30;
  /// How long a connection may rest between calls, and take to send a head.
  int64_t idle_ms = 60'000;
  /// How long a call's body or answer may take beyond what kMinBytesPerSecond allows.
  int64_t transfer_ms = 10'000;
};

/// One listening address. Reads no body before the caller is known and may call the method.
class HttpServer {
 public:
  /// kInvalidArgument about the address, the TLS files or the number of connections; kUnavailable
  /// where the address cannot be bound. Does not ask who can reach the address: CheckReach does.
  /// `service` must outlive the server.
  static Result<std::unique_ptr<HttpServer>> Start(Service* service,
                                                   const HttpServerOptions& options);
  virtual ~HttpServer() = default;

  /// The port that was bound; 0 for a path.
  [[nodiscard]] virtual int port() const = 0;

  /// Takes no new connection, ends those that rest, lets calls in flight end for `patience_ms`,
  /// then cuts them. Returns when none is left; the destructor calls it without patience.
  virtual void Shutdown(int64_t patience_ms) = 0;
};

}  // namespace leadline::rpc
