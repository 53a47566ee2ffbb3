#pragma once

/// The service over gRPC.

#include <cstdint>
#include <memory>
#include <string>

#include "leadline/core/status.h"
#include "leadline/rpc/service.h"

namespace leadline::rpc {

struct GrpcServerOptions {
  /// "HOST:PORT" or "unix:PATH"; port 0 picks a free one.
  std::string address = "127.0.0.1:7701";
  /// That wait for and read calls; 0 means one more than there are processors.
  size_t polling_threads = 0;
  /// Of all connections together; calls beyond it are refused.
  size_t memory_bytes = size_t{1} << 30;
};

/// One listening address. Reads no body before the caller is known and may call the method.
class GrpcServer {
 public:
  /// kUnavailable where the address cannot be bound. `service` must outlive the server.
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
