#include <memory>

#include "command.h"
#include "database_opening.h"
#include "json_lines.h"
#include "leadline/core/clock.h"
#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"
#include "leadline/core/version.h"
#include "leadline/rpc/grpc_server.h"
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
  std::optional<std::string> http;
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
  if (args.http) {
    return InvalidFieldError("not in this version", "--http", *args.http, "no --http");
  }
  return args.config
             ? InvalidFieldError("not in this version", "--config", *args.config, "no --config")
             : OkStatus();
}

/// kInvalidArgument for an address that others than this machine reach.
Status CheckLocal(const std::string& address) {
  for (const std::string_view local : {"127.0.0.1:", "localhost:", "[::1]:", "unix:"}) {
    if (address.starts_with(local)) {
      return OkStatus();
    }
  }
  return InvalidFieldError("address that other machines reach; this version has no TLS", "--grpc",
                           address, "127.0.0.1:PORT, [::1]:PORT, localhost:PORT or unix:PATH");
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
  options.rate.per_second = static_cast<uint32_t>(args.rate);
  options.logger = logs.logger();
  options.slow_ms = static_cast<int64_t>(args.logs.slow_ms);
  options.audit = logs.audit();
  return options;
}

Result<ExitCode> RunServe(const ServeArguments& args, Console& console) {
  LEADLINE_RETURN_IF_ERROR(CheckVersion(args));
  LEADLINE_RETURN_IF_ERROR(CheckLocal(args.grpc));
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
  rpc::GrpcServerOptions server_options;
  server_options.address = args.grpc;
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<rpc::GrpcServer> server,
                            rpc::GrpcServer::Start(&service, server_options));
  if (console.json()) {
    WriteJsonLine(console, {{"grpc", args.grpc}, {"grpc_port", server->port()}});
  } else {
    console.Line("serving " + args.where.database + " over gRPC: " + args.grpc +
                 (server->port() > 0 ? " (port " + std::to_string(server->port()) + ")" : ""));
  }
  console.Flush();
  logs->logger()->Log(rpc::LogLevel::kInfo, "serving",
                      {{"grpc", args.grpc},
                       {"grpc_port", int64_t{server->port()}},
                       {"database", args.where.database},
                       {"version", Version()}});
  WaitForSignal(stop, &service, logs.get());
  logs->logger()->Log(rpc::LogLevel::kInfo, "stopping",
                      {{"drain_ms", static_cast<int64_t>(args.drain_ms)}});
  service.Drain();
  server->Shutdown(static_cast<int64_t>(args.drain_ms));
  LEADLINE_RETURN_IF_ERROR(database->Close());
  logs->logger()->Log(rpc::LogLevel::kInfo, "stopped", {});
  return ExitCode::kDone;
}

CommandBody DeclareServe(Arguments& arguments) {
  auto args = std::make_shared<ServeArguments>();
  DeclareDatabase(arguments, &args->where);
  arguments.Text(&args->grpc, "--grpc", "ADDRESS", "where gRPC listens; port 0 picks a free one");
  arguments.Text(&args->http, "--http", "ADDRESS", "not in this version");
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
  return {"serve", "Serve a database over gRPC",
          "Creates the database where it is missing. Needs no token until `leadline token create` "
          "made one.\nListens on this machine only. SIGTERM or SIGINT ends it: calls in flight "
          "finish first; a second signal ends it at once.\nWith --json one line when it serves: "
          "{\"grpc\":ADDRESS,\"grpc_port\":N}.",
          DeclareServe};
}

}  // namespace leadline::cli
