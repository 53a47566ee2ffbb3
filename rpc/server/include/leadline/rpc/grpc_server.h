#pragma once

/// The service over gRPC.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "leadline/core/status.h"
#include "leadline/rpc/service.h"
#include "leadline/rpc/tls_files.h"

namespace leadline::rpc {

struct GrpcServerOptions {
  /// "HOST:PORT" or "unix:PATH"; port 0 picks a free one.
  std::string address = "127.0.0.1:7701";
  /// That wait for and read calls; 0 means one more than there are processors. One more stands in
  /// while all of them work.
  size_t polling_threads = 0;
  /// Of all connections together; calls beyond it are refused.
  size_t memory_bytes = size_t{1} << 30;
  /// Without them connections are not encrypted. The files are read again within a second of each
  /// new connection; calls in flight go on. Files that became bad change nothing.
  std::optional<TlsFiles> tls;
  /// Told why changed files are not used, once for each reason; from a thread of the server.
  std::function<void(const Status&)> tls_refused;
  /// Open at a time; more are closed at once. 0 means 10,000, or half of the limit on open files
  /// where that is less; more than that half is refused.
  size_t max_connections = 0;
  /// Told how many connections were cut since the last time because they flood; from a thread of
  /// the server, once a second at most and at its end. Must not block.
  std::function<void(size_t)> connections_cut;
  /// The longest pause between two new connections of a host whose connections were cut within a
  /// minute; it begins with 100 ms and doubles with each cut. 0 lets them come at once: behind a
  /// proxy all callers are one host.
  int64_t cut_pause_ms = 1'000;
  /// For TLS and the first frame of HTTP/2 together; a connection that takes longer is closed.
  int handshake_timeout_ms = 10'000;
  /// How long a caller may take to send a request or to take an answer beyond what
  /// kMinBytesPerSecond allows, in streams six times as long; the call ends then. Requests of
  /// streams may come at any time.
  int64_t transfer_ms = 10'000;
};

/// kInvalidArgument about --connections for more than the descriptors of this process allow.
Status CheckConnections(size_t wanted);

/// One listening address. Reads no body before the caller is known and may call the method.
class GrpcServer {
 public:
  /// kInvalidArgument about the address, the TLS files or the number of connections; kUnavailable
  /// where the address cannot be bound. Does not ask who can reach the address: CheckReach does.
  /// `service` must outlive the server.
  static Result<std::unique_ptr<GrpcServer>> Start(Service* service,
                                                   const GrpcServerOptions& options);
  virtual ~GrpcServer() = default;

  /// The port that was bound; 0 for a path.
  [[nodiscard]] virtual int port() const = 0;

  /// Takes no new call, lets those in flight end for `patience_ms`, then ends them with
  /// kUnavailable. Returns when none is left; the destructor calls it without patience.
  virtual void Shutdown(int64_t patience_ms) = 0;
};

}  // namespace leadline::rpc
