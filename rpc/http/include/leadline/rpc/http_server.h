#pragma once

/// The service over HTTP/1.1 and JSON.

#include <cstdint>
#include <memory>
#include <string>

#include "leadline/core/status.h"
#include "leadline/rpc/service.h"

namespace leadline::rpc {

struct HttpServerOptions {
  /// "HOST:PORT" with a literal address or localhost, or "unix:PATH"; port 0 picks a free one.
  std::string address = "127.0.0.1:7700";
  /// That read, compute and write; 0 means one for each processor.
  size_t threads = 0;
  /// Of all connections; a new one beyond it takes the place of the longest idle one.
  size_t max_connections = 10'000;
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
  /// kUnavailable where the address cannot be bound, kInvalidArgument where it is none. `service`
  /// must outlive the server.
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
