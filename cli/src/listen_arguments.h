#pragma once

#include <cstdint>
#include <string>

#include "arguments.h"
#include "leadline/core/status.h"
#include "leadline/rpc/grpc_server.h"
#include "leadline/rpc/http_server.h"
#include "leadline/rpc/logger.h"
#include "leadline/rpc/tls_files.h"
#include "leadline/rpc/token_store.h"

namespace leadline::cli {

/// Where a server listens, and who may connect.
struct ListenArguments {
  std::string grpc = "127.0.0.1:7701";
  std::string http = "127.0.0.1:7700";  ///< empty switches it off
  rpc::TlsFiles tls;
  uint64_t connections = 0;
  uint64_t cut_pause_ms = 1'000;
};

void DeclareListening(Arguments& arguments, ListenArguments* listen);

/// True where connections are encrypted.
bool HasTls(const ListenArguments& listen);

/// kInvalidArgument for flags that do not go together, files of no use and addresses that need
/// more; the errors of reading the tokens.
Status CheckListening(const ListenArguments& listen, rpc::TokenStore* tokens);

/// Both tell `logger`, which must outlive the server, of files that changed for the worse.
rpc::GrpcServerOptions GrpcOptions(const ListenArguments& listen, rpc::Logger* logger);
rpc::HttpServerOptions HttpOptions(const ListenArguments& listen, rpc::Logger* logger);

}  // namespace leadline::cli
