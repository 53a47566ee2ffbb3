#include "served_endpoints.h"

#include <thread>

#include "json_lines.h"
#include "leadline/core/version.h"

namespace leadline::cli {
namespace {

/// "unix:PATH", or the host with the port that was bound.
std::string Bound(const std::string& address, int port) {
  return port > 0 ? address.substr(0, address.rfind(':') + 1) + std::to_string(port) : address;
}

}  // namespace

Result<ServedEndpoints> ServedEndpoints::Start(const ListenArguments& listen, rpc::Service* service,
                                               rpc::Logger* logger) {
  ServedEndpoints endpoints;
  endpoints.listen_ = listen;
  endpoints.logger_ = logger;
  LEADLINE_ASSIGN_OR_RETURN(endpoints.grpc_,
                            rpc::GrpcServer::Start(service, GrpcOptions(listen, logger)));
  if (!listen.http.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(endpoints.http_,
                              rpc::HttpServer::Start(service, HttpOptions(listen, logger)));
  }
  return endpoints;
}

void ServedEndpoints::Announce(const std::string& database, Console& console) const {
  if (console.json()) {
    Json line = {{"grpc", listen_.grpc}, {"grpc_port", grpc_->port()}};
    if (http_ != nullptr) {
      line.update({{"http", listen_.http}, {"http_port", http_port()}});
    }
    WriteJsonLine(console, line);
  } else {
    console.Line("serving " + database + " over gRPC: " + Bound(listen_.grpc, grpc_->port()) +
                 (http_ == nullptr ? "" : ", HTTP: " + Bound(listen_.http, http_port())));
  }
  console.Flush();
  logger_->Log(rpc::LogLevel::kInfo, "serving",
               {{"grpc", listen_.grpc},
                {"grpc_port", int64_t{grpc_->port()}},
                {"http", listen_.http},
                {"http_port", int64_t{http_port()}},
                {"database", database},
                {"version", Version()}});
}

void ServedEndpoints::Shutdown(int64_t patience_ms) {
  std::thread other([this, patience_ms] {
    if (http_ != nullptr) {
      http_->Shutdown(patience_ms);
    }
  });
  grpc_->Shutdown(patience_ms);
  other.join();
}

}  // namespace leadline::cli
