#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "console.h"
#include "leadline/core/status.h"
#include "leadline/rpc/grpc_server.h"
#include "leadline/rpc/http_server.h"
#include "leadline/rpc/logger.h"
#include "leadline/rpc/service.h"
#include "listen_arguments.h"

namespace leadline::cli {

/// The servers of one service. Externally synchronised; what it was started with outlives it.
class ServedEndpoints {
 public:
  /// The errors of the servers' Start.
  static Result<ServedEndpoints> Start(const ListenArguments& listen, rpc::Service* service,
                                       rpc::Logger* logger);

  /// Tells users, programs and the log where `database` is served.
  void Announce(const std::string& database, Console& console) const;

  /// Both at a time: they share the patience.
  void Shutdown(int64_t patience_ms);

 private:
  [[nodiscard]] int http_port() const { return http_ != nullptr ? http_->port() : 0; }

  ListenArguments listen_;
  rpc::Logger* logger_ = nullptr;
  std::unique_ptr<rpc::GrpcServer> grpc_;
  std::unique_ptr<rpc::HttpServer> http_;  // null where it is switched off
};

}  // namespace leadline::cli
