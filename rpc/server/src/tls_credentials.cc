#include "tls_credentials.h"

#include <string>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

namespace leadline::rpc {
namespace {

/// gRPC's certificate providers, which its C++ interface offers, are of no use here: version 1.51
/// drops the old pair before it has looked at the new one, and a pair that does not match leaves it
/// with a pointer to freed memory. The older interface in C asks for the pair at each connection,
/// and goes on with the last good one.
class ReloadedCredentials final : public grpc::ServerCredentials {
 public:
  explicit ReloadedCredentials(TlsReloader* reloader)
      : reloader_(reloader), wants_clients_(!reloader->Current()->client_ca.empty()) {
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            wants_clients_ ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                           : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
            &ReloadedCredentials::Fetch, this));
  }

  ReloadedCredentials(const ReloadedCredentials&) = delete;
  ReloadedCredentials& operator=(const ReloadedCredentials&) = delete;

  ~ReloadedCredentials() override { grpc_server_credentials_release(credentials_); }

  /// Leadline reads tokens by itself.
  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  /// gRPC calls it under a lock of its own, one call at a time.
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<ReloadedCredentials*>(self)->Fetch(config);
  }

  grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
    std::shared_ptr<const TlsIdentity> current = reloader_->Current();
    if (current == given_) {
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
    const grpc_ssl_pem_key_cert_pair pair = {current->key.c_str(), current->certificate.c_str()};
    // Debian's gRPC aborts without authorities, also where nobody is asked for a certificate.
    const std::string& authorities = wants_clients_ ? current->client_ca : current->certificate;
    *config = grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair, 1);
    given_ = std::move(current);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  TlsReloader* const reloader_;
  const bool wants_clients_;
  std::shared_ptr<const TlsIdentity> given_;
  grpc_server_credentials* credentials_ = nullptr;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> NewTlsCredentials(TlsReloader* reloader) {
  return std::make_shared<ReloadedCredentials>(reloader);
}

}  // namespace leadline::rpc
