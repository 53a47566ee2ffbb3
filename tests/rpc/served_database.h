#pragma once

#include <memory>
#include <string>
#include <utility>

#include "leadline/client.h"
#include "leadline/core/clock.h"
#include "leadline/core/database.h"
#include "leadline/rpc/grpc_server.h"
#include "leadline/rpc/http_server.h"
#include "leadline/rpc/service.h"
#include "leadline/rpc/token_store.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::rpc {

/// A database of this process behind real servers, gRPC and HTTP, on ports of their own.
class ServedDatabase {
 public:
  explicit ServedDatabase(ServiceOptions options = {}, GrpcServerOptions listening = {},
                          HttpServerOptions http = {}) {
    DatabaseOptions opening;
    opening.create_if_missing = true;
    Result<std::unique_ptr<Database>> database = Database::Open(dir_.file("db"), opening);
    EXPECT_OK(database);
    database_ = *std::move(database);
    tokens_ = std::make_unique<TokenStore>(FileSystem::Posix(), Clock::System(), dir_.file("db"));
    options.backup_directory = dir_.path();
    options.reflection = true;
    service_ = std::make_unique<Service>(database_.get(), tokens_.get(), options);
    listening.address = "127.0.0.1:0";
    Result<std::unique_ptr<GrpcServer>> server = GrpcServer::Start(service_.get(), listening);
    EXPECT_OK(server);
    server_ = *std::move(server);
    http.address = "127.0.0.1:0";
    Result<std::unique_ptr<HttpServer>> http_server = HttpServer::Start(service_.get(), http);
    EXPECT_OK(http_server);
    http_ = *std::move(http_server);
  }

  ServedDatabase(const ServedDatabase&) = delete;
  ServedDatabase& operator=(const ServedDatabase&) = delete;

  ~ServedDatabase() {
    http_.reset();
    server_.reset();
    service_.reset();
  }

  [[nodiscard]] std::string address() const {
    return "127.0.0.1:" + std::to_string(server_->port());
  }

  [[nodiscard]] std::unique_ptr<Database> Connect(const std::string& token = "") const {
    ClientOptions options;
    options.token = token;
    Result<std::unique_ptr<Database>> client = Client::Connect(address(), options);
    EXPECT_OK(client);
    return *std::move(client);
  }

  [[nodiscard]] Database* database() const { return database_.get(); }

  [[nodiscard]] TokenStore* tokens() const { return tokens_.get(); }

  [[nodiscard]] Service* service() const { return service_.get(); }

  [[nodiscard]] GrpcServer* server() const { return server_.get(); }

  [[nodiscard]] HttpServer* http() const { return http_.get(); }

  [[nodiscard]] std::string path(const std::string& name) const { return dir_.file(name); }

 private:
  testing::TempDir dir_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<TokenStore> tokens_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace leadline::rpc
