#include "listen_arguments.h"

#include <functional>

#include "leadline/core/clock.h"
#include "leadline/rpc/address.h"

namespace leadline::cli {
namespace {

constexpr uint64_t kMaxConnections = 1'000'000;
constexpr uint64_t kMaxCutPauseMs = 60'000;

/// From a thread of a server.
std::function<void(const Status&)> TellRefused(rpc::Logger* logger) {
  return [logger](const Status& status) {
    logger->Log(rpc::LogLevel::kWarning, "changed TLS files are not used",
                {{"error", status.message()}});
  };
}

}  // namespace

void DeclareListening(Arguments& arguments, ListenArguments* listen) {
  arguments.Text(&listen->grpc, "--grpc", "ADDRESS", "where gRPC listens; port 0 picks a free one")
      .Key("grpc.address");
  arguments
      .Text(&listen->http, "--http", "ADDRESS",
            "where HTTP listens; port 0 picks a free one, \"\" switches it off")
      .MayBeEmpty()
      .Key("http.address");
  arguments
      .Text(&listen->tls.certificate, "--tls-cert", "FILE",
            "PEM certificate, then those that lead to its authority; encrypts connections")
      .Key("tls.cert");
  arguments.Text(&listen->tls.key, "--tls-key", "FILE", "its PEM key, closed to others")
      .Key("tls.key");
  arguments
      .Text(&listen->tls.client_ca, "--tls-client-ca", "FILE",
            "PEM authorities: clients need a certificate of one of them")
      .Key("tls.client_ca");
  arguments
      .Number(&listen->connections, "--connections",
              "connections at a time; 0 means 10000, or half of the limit on open files where "
              "that is less",
              0, kMaxConnections)
      .Key("limits.connections");
  arguments
      .Number(&listen->cut_pause_ms, "--cut-pause-ms",
              "most between new connections of a host that floods; 0 for none, behind a proxy", 0,
              kMaxCutPauseMs)
      .Key("limits.cut_pause_ms");
}

bool HasTls(const ListenArguments& listen) {
  return !listen.tls.certificate.empty() || !listen.tls.key.empty() ||
         !listen.tls.client_ca.empty();
}

Status CheckListening(const ListenArguments& listen, rpc::TokenStore* tokens) {
  LEADLINE_ASSIGN_OR_RETURN(const bool needs_token, tokens->required());
  LEADLINE_RETURN_IF_ERROR(rpc::CheckReach("--grpc", listen.grpc, HasTls(listen), needs_token));
  if (!listen.http.empty()) {
    LEADLINE_RETURN_IF_ERROR(rpc::CheckReach("--http", listen.http, HasTls(listen), needs_token));
  }
  LEADLINE_RETURN_IF_ERROR(rpc::CheckConnections(listen.connections));
  return HasTls(listen) ? rpc::LoadTlsFiles(listen.tls, Clock::System()).status() : OkStatus();
}

rpc::GrpcServerOptions GrpcOptions(const ListenArguments& listen, rpc::Logger* logger) {
  rpc::GrpcServerOptions options;
  options.address = listen.grpc;
  options.max_connections = listen.connections;
  options.cut_pause_ms = static_cast<int64_t>(listen.cut_pause_ms);
  options.connections_cut = [logger](size_t cut) {
    logger->Log(rpc::LogLevel::kWarning, "connections cut that send more than their calls explain",
                {{"connections", static_cast<int64_t>(cut)}});
  };
  if (HasTls(listen)) {
    options.tls = listen.tls;
    options.tls_refused = TellRefused(logger);
  }
  return options;
}

rpc::HttpServerOptions HttpOptions(const ListenArguments& listen, rpc::Logger* logger) {
  rpc::HttpServerOptions options;
  options.address = listen.http;
  options.max_connections = listen.connections;
  if (HasTls(listen)) {
    options.tls = listen.tls;
    options.tls_refused = TellRefused(logger);
  }
  return options;
}

}  // namespace leadline::cli
