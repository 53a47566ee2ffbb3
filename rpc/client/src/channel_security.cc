#include "channel_security.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "leadline/core/clock.h"
#include "leadline/core/file_system.h"
#include "leadline/rpc/address.h"
#include "leadline/rpc/tls_files.h"

namespace leadline::rpc {
namespace {

constexpr size_t kMaxTokenBytes = 4096;
constexpr TlsFieldNames kFieldNames = {"tls_certificate", "tls_key", ""};

/// gRPC ends the process over a header that it cannot send.
Status CheckToken(std::string_view field, const std::string& token) {
  const bool good =
      token.size() <= kMaxTokenBytes &&
      std::all_of(token.begin(), token.end(), [](char c) { return c > 32 && c < 127; });
  return good ? OkStatus()
              : InvalidFieldError(
                    "not a token", field, std::to_string(token.size()) + " bytes",
                    "printable ASCII without spaces, " + std::to_string(kMaxTokenBytes) + " bytes");
}

Result<std::string> ReadTokenFile(const std::string& path) {
  Result<std::string> text = ReadFileToString(FileSystem::Posix(), path, kMaxTokenBytes);
  if (!text.ok()) {
    return text.status().WithContext("token_file").WithField("token_file");
  }
  text->erase(text->find_last_not_of(" \t\r\n") + 1);
  LEADLINE_RETURN_IF_ERROR(CheckToken("token_file", *text));
  return text->empty() ? InvalidFieldError("no token in the file", "token_file", path, "a token")
                       : text;
}

Result<std::string> TokenOf(const ClientOptions& options) {
  if (!options.token.empty()) {
    LEADLINE_RETURN_IF_ERROR(CheckToken("token", options.token));
    return options.token;
  }
  if (!options.token_file.empty()) {
    return ReadTokenFile(options.token_file);
  }
  const char* const found = std::getenv("LEADLINE_TOKEN");  // NOLINT(concurrency-mt-unsafe)
  std::string token = found != nullptr ? found : "";
  LEADLINE_RETURN_IF_ERROR(CheckToken("LEADLINE_TOKEN", token));
  return token;
}

bool WantsTls(const ClientOptions& options) {
  return options.tls || !options.tls_ca.empty() || !options.tls_certificate.empty() ||
         !options.tls_key.empty() || !options.tls_server_name.empty();
}

Result<std::shared_ptr<grpc::ChannelCredentials>> CredentialsOf(const ClientOptions& options) {
  if (!WantsTls(options)) {
    return grpc::InsecureChannelCredentials();
  }
  grpc::SslCredentialsOptions ssl;
  if (!options.tls_ca.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(ssl.pem_root_certs,
                              LoadAuthorities("tls_ca", options.tls_ca, Clock::System()));
  }
  if (!options.tls_certificate.empty() || !options.tls_key.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(
        TlsIdentity identity,
        LoadTlsFiles({options.tls_certificate, options.tls_key, ""}, Clock::System(), kFieldNames));
    ssl.pem_cert_chain = std::move(identity.certificate);
    ssl.pem_private_key = std::move(identity.key);
  }
  return grpc::SslCredentials(ssl);
}

/// True where `address` is of this machine; other forms that gRPC knows may lead anywhere.
bool StaysHere(const std::string& address) {
  const Result<Address> parsed = ParseAddress("address", address);
  return parsed.ok() && IsThisMachine(*parsed);
}

}  // namespace

Result<ChannelSecurity> SecureChannel(const std::string& address, const ClientOptions& options) {
  ChannelSecurity security;
  security.tls = WantsTls(options);
  security.direct = StaysHere(address);
  security.server_name = options.tls_server_name;
  LEADLINE_ASSIGN_OR_RETURN(security.token, TokenOf(options));
  if (!security.token.empty() && !security.tls && !security.direct) {
    return InvalidFieldError("a token would leave this machine unencrypted", "address", address,
                             "TLS, or an address of this machine");
  }
  LEADLINE_ASSIGN_OR_RETURN(security.credentials, CredentialsOf(options));
  return security;
}

ChannelSecurity PlainChannel(std::string token) {
  ChannelSecurity security;
  security.token = std::move(token);
  security.credentials = grpc::InsecureChannelCredentials();
  return security;
}

}  // namespace leadline::rpc
