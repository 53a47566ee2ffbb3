#include <memory>
#include <thread>

#include "command.h"
#include "database_opening.h"
#include "json_lines.h"
#include "leadline/core/clock.h"
#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"
#include "leadline/core/version.h"
#include "leadline/rpc/grpc_server.h"
#include "leadline/rpc/http_server.h"
#include "leadline/rpc/service.h"
#include "leadline/rpc/token_store.h"
#include "serve_logs.h"
#include "signal_stop.h"

namespace leadline::cli {
namespace {

constexpr int64_t kTickMs = 200;

struct ServeArguments {
  DatabaseArguments where;
  std::string grpc = "127.0.0.1:7701";
  std::string http = "127.0.0.1:7700";
  bool reflection = false;
  std::optional<std::string> config;
  std::string durability = "sync";
  std::string backups;
  uint64_t threads = 1;
  uint64_t searches = 0;
  uint64_t drain_ms = 10'000;
  uint64_t rate = 0;
  ServeLogArguments logs;
};

/// kInvalidArgument for what the contract names and a later version has.
Status CheckVersion(const ServeArguments& args) {
  return args.config
             ? InvalidFieldError("not in this version", "--config", *args.config, "no --config")
             : OkStatus();
}

/// kInvalidArgument for an address that others than this machine reach.
Status CheckLocal(const std::string& flag, const std::string& address) {
  for (const std::string_view local : {"127.0.0.1:", "localhost:", "[::1]:", "unix:"}) {
    if (address.starts_with(local)) {
      return OkStatus();
    }
  }
  return InvalidFieldError("address that other machines reach; this version has no TLS", flag,
                           address, "127.0.0.1:PORT, [::1]:PORT, localhost:PORT or unix:PATH");
}

/// What listens.
struct Endpoints {
  std::unique_ptr<rpc::GrpcServer> grpc;
  std::unique_ptr<rpc::HttpServer> http;  // null where it is switched off

  [[nodiscard]] int http_port() const { return http != nullptr ? http->port() : 0; }

  /// Both at a time: they share the patience.
  void Shutdown(int64_t patience_ms) {
    std::thread other([this, patience_ms] {
      if (http != nullptr) {
        http->Shutdown(patience_ms);
      }
    });
    grpc->Shutdown(patience_ms);
    other.join();
  }
};

Result<Endpoints> StartEndpoints(const ServeArguments& args, rpc::Service* service) {
  Endpoints endpoints;
  rpc::GrpcServerOptions grpc;
  grpc.address = args.grpc;
  LEADLINE_ASSIGN_OR_RETURN(endpoints.grpc, rpc::GrpcServer::Start(service, grpc));
  if (!args.http.empty()) {
    rpc::HttpServerOptions http;
    http.address = args.http;
    LEADLINE_ASSIGN_OR_RETURN(endpoints.http, rpc::HttpServer::Start(service, http));
  }
  return endpoints;
}

/// "unix:PATH", or the host with the port that was bound.
std::string Bound(const std::string& address, int port) {
  return port > 0 ? address.substr(0, address.rfind(':') + 1) + std::to_string(port) : address;
}

/// Tells users, programs and the log where it serves.
void Announce(const ServeArguments& args, const Endpoints& endpoints, const ServeLogs& logs,
              Console& console) {
  if (console.json()) {
    Json line = {{"grpc", args.grpc}, {"grpc_port", endpoints.grpc->port()}};
    if (endpoints.http != nullptr) {
      line.update({{"http", args.http}, {"http_port", endpoints.http_port()}});
    }
    WriteJsonLine(console, line);
  } else {
    console.Line(
        "serving " + args.where.database +
        " over gRPC: " + Bound(args.grpc, endpoints.grpc->port()) +
        (endpoints.http == nullptr ? "" : ", HTTP: " + Bound(args.http, endpoints.http_port())));
  }
  console.Flush();
  logs.logger()->Log(rpc::LogLevel::kInfo, "serving",
                     {{"grpc", args.grpc},
                      {"grpc_port", int64_t{endpoints.grpc->port()}},
                      {"http", args.http},
                      {"http_port", int64_t{endpoints.http_port()}},
                      {"database", args.where.database},
                      {"version", Version()}});
}

/// Serves until a signal comes.
void WaitForSignal(const SignalStop& stop, rpc::Service* service, ServeLogs* logs) {
  Mutex mutex;
  CondVar never;
  MutexLock lock(&mutex);
  while (!stop.requested()) {
    never.WaitFor(&mutex, kTickMs);
    service->Tick();
    logs->Tick();
  }
}

rpc::ServiceOptions ServiceOptionsOf(const ServeArguments& args, const ServeLogs& logs) {
  rpc::ServiceOptions options;
  options.search_slots = args.searches;
  options.backup_directory = args.backups;
  options.reflection = args.reflection;
  options.rate.per_second = static_cast<uint32_t>(args.rate);
  options.logger = logs.logger();
  options.slow_ms = static_cast<int64_t>(args.logs.slow_ms);
  options.audit = logs.audit();
  return options;
}

Result<ExitCode> RunServe(const ServeArguments& args, Console& console) {
  LEADLINE_RETURN_IF_ERROR(CheckVersion(args));
  LEADLINE_RETURN_IF_ERROR(CheckLocal("--grpc", args.grpc));
  if (!args.http.empty()) {
    LEADLINE_RETURN_IF_ERROR(CheckLocal("--http", args.http));
  }
  const SignalStop stop;
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<ServeLogs> logs,
                            ServeLogs::Open(args.logs, console.quiet()));
  DatabaseOptions options;
  options.create_if_missing = true;
  options.background_threads = static_cast<uint32_t>(args.threads);
  LEADLINE_RETURN_IF_ERROR(ParseDurabilityFlag(args.durability, &options));
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                            Database::Open(args.where.database, options));
  rpc::TokenStore tokens(FileSystem::Posix(), Clock::System(), args.where.database);
  rpc::Service service(database.get(), &tokens, ServiceOptionsOf(args, *logs));
  LEADLINE_ASSIGN_OR_RETURN(Endpoints endpoints, StartEndpoints(args, &service));
  Announce(args, endpoints, *logs, console);
  WaitForSignal(stop, &service, logs.get());
  logs->logger()->Log(rpc::LogLevel::kInfo, "stopping",
                      {{"drain_ms", static_cast<int64_t>(args.drain_ms)}});
  service.Drain();
  endpoints.Shutdown(static_cast<int64_t>(args.drain_ms));
  LEADLINE_RETURN_IF_ERROR(database->Close());
  logs->logger()->Log(rpc::LogLevel::kInfo, "stopped", {});
  return ExitCode::kDone;
}

CommandBody DeclareServe(Arguments& arguments) {
  auto args = std::make_shared<ServeArguments>();
  DeclareDatabase(arguments, &args->where);
  arguments.Text(&args->grpc, "--grpc", "ADDRESS", "where gRPC listens; port 0 picks a free one");
  arguments
      .Text(&args->http, "--http", "ADDRESS",
            "where HTTP listens; port 0 picks a free one, \"\" switches it off")
      .MayBeEmpty();
  arguments.Flag(&args->reflection, "--reflection",
                 "tell gRPC tools that ask (and may read) which methods there are");
  arguments.Text(&args->config, "--config", "FILE", "not in this version");
  arguments.Text(&args->durability, "--durability", "MODE",
                 "what an acknowledgement means: sync, interval:MS or os");
  arguments.Text(&args->backups, "--backups", "DIR",
                 "where Maintenance.Backup makes folders; refused without it");
  arguments.Number(&args->threads, "--threads", "threads that build indexes", 1, kMaxThreads);
  arguments.Number(&args->searches, "--searches",
                   "searches at a time; 0 means one for each processor", 0, 1024);
  arguments.Number(&args->drain_ms, "--drain-ms",
                   "how long calls in flight may go on after SIGTERM", 0, 3'600'000);
  arguments.Number(&args->rate, "--rate",
                   "calls a second of each token without a rate of its own, and of all callers "
                   "without a token; 0 sets no limit",
                   0, rpc::CallRate::kMax);
  DeclareServeLogs(arguments, &args->logs);
  return [args](Console& console) { return RunServe(*args, console); };
}

}  // namespace

Command ServeCommand() {
  return {"serve", "Serve a database over gRPC and HTTP",
          "Creates the database where it is missing. Needs no token until `leadline token create` "
          "made one.\nListens on this machine only. SIGTERM or SIGINT ends it: calls in flight "
          "finish first; a second signal ends it at once.\nWith --json one line when it serves: "
          "{\"grpc\":ADDRESS,\"grpc_port\":N,\"http\":ADDRESS,\"http_port\":N}.",
          DeclareServe};
}

}  // namespace leadline::cli
