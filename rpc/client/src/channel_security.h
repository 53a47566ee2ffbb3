#pragma once

#include <memory>
#include <string>

#include <grpcpp/security/credentials.h>

#include "leadline/client.h"
#include "leadline/core/status.h"

namespace leadline::rpc {

/// Whom a channel trusts, and how it proves itself.
struct ChannelSecurity {
  std::string token;  ///< empty for none
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  std::string server_name;  ///< that the certificate must have; empty for the address's host
  bool tls = false;
  /// The server is on this machine: no proxy that the environment names lies between.
  bool direct = false;
};

/// Reads what `options` and the environment name. kInvalidArgument for files and tokens of no use,
/// and for a token that would leave this machine unencrypted; the errors of reading.
Result<ChannelSecurity> SecureChannel(const std::string& address, const ClientOptions& options);

/// No TLS. `token` is not checked.
ChannelSecurity PlainChannel(std::string token);

}  // namespace leadline::rpc
