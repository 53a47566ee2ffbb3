#pragma once

#include <memory>

#include <grpcpp/security/server_credentials.h>

#include "leadline/rpc/tls_reloader.h"

namespace leadline::rpc {

/// Credentials of a server that asks `reloader` at each new connection, and requires certificates
/// of clients where it has their authorities. `reloader` must outlive the server.
///
/// TLS 1.2 and 1.3, with ephemeral keys and AEAD ciphers only: gRPC's own list, which the
/// environment variable GRPC_SSL_CIPHER_SUITES replaces. No revocation lists.
std::shared_ptr<grpc::ServerCredentials> NewTlsCredentials(TlsReloader* reloader);

}  // namespace leadline::rpc
