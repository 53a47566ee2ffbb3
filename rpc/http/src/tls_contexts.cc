#include "tls_contexts.h"

#include <exception>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <openssl/ssl.h>

#include "leadline/core/clock.h"

namespace leadline::rpc {
namespace {

namespace ssl = boost::asio::ssl;

/// As gRPC's: ephemeral keys and authenticated encryption; those of TLS 1.3 are all of that kind.
constexpr char kCiphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

std::shared_ptr<ssl::context> MakeContext(const TlsIdentity& identity) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context->native_handle(), static_cast<const char*>(kCiphers));
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_RENEGOTIATION);
  // A resumed session would outlive a certificate that was replaced.
  SSL_CTX_set_session_cache_mode(context->native_handle(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context->native_handle(), 0);
  context->use_certificate_chain(boost::asio::buffer(identity.certificate));
  context->use_private_key(boost::asio::buffer(identity.key), ssl::context::pem);
  if (!identity.client_ca.empty()) {
    context->add_certificate_authority(boost::asio::buffer(identity.client_ca));
    context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  }
  return context;
}

}  // namespace

Result<std::unique_ptr<TlsContexts>> TlsContexts::Open(const TlsFiles& files,
                                                       TlsReloader::Refused refused) {
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<TlsReloader> reloader,
                            TlsReloader::Open(files, Clock::System(), std::move(refused)));
  std::unique_ptr<TlsContexts> contexts(new TlsContexts(std::move(reloader)));
  return contexts->Current() != nullptr
             ? Result<std::unique_ptr<TlsContexts>>(std::move(contexts))
             : InternalError("OpenSSL refuses certificates that passed the checks");
}

std::shared_ptr<ssl::context> TlsContexts::Current() {
  const std::shared_ptr<const TlsIdentity> newest = reloader_->Current();
  MutexLock lock(&mutex_);
  if (newest != made_of_) {
    try {
      context_ = MakeContext(*newest);
      made_of_ = newest;
    } catch (const std::exception&) {
      // The last good one goes on.
      return context_;
    }
  }
  return context_;
}

}  // namespace leadline::rpc
