#pragma once

#include <cstdint>
#include <string>

#include "arguments.h"
#include "console.h"
#include "leadline/core/status.h"
#include "leadline/rpc/grpc_server.h"
#include "leadline/rpc/tls_files.h"
#include "leadline/rpc/token_store.h"

namespace leadline::cli {

/// Where a server listens, and who may connect.
struct ListenArguments {
  std::string grpc = "127.0.0.1:7701";
  rpc::TlsFiles tls;
  uint64_t connections = 0;
};

void DeclareListening(Arguments& arguments, ListenArguments* listen);

/// True where connections are encrypted.
bool HasTls(const ListenArguments& listen);

/// kInvalidArgument for flags that do not go together, files of no use and addresses that need
/// more; the errors of reading the tokens.
Status CheckListening(const ListenArguments& listen, rpc::TokenStore* tokens);

/// Where files that changed for the worse are told to `console`, which must outlive the server.
rpc::GrpcServerOptions GrpcOptions(const ListenArguments& listen, Console& console);

}  // namespace leadline::cli
