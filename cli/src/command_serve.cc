#include <memory>

#include "command.h"
#include "database_opening.h"
#include "leadline/core/clock.h"
#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"
#include "leadline/rpc/service.h"
#include "leadline/rpc/token_store.h"
#include "listen_arguments.h"
#include "serve_logs.h"
#include "served_endpoints.h"
#include "signal_stop.h"

namespace leadline::cli {
namespace {

constexpr int64_t kTickMs = 200;

struct ServeArguments {
  DatabaseArguments where;
  ListenArguments listen;
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
  if (logs.spans() != nullptr) {
    options.observers.push_back(logs.spans());
  }
  return options;
}

Result<ExitCode> RunServe(const ServeArguments& args, Console& console) {
  LEADLINE_RETURN_IF_ERROR(CheckVersion(args));
  rpc::TokenStore tokens(FileSystem::Posix(), Clock::System(), args.where.database);
  LEADLINE_RETURN_IF_ERROR(CheckListening(args.listen, &tokens));
  const SignalStop stop;
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<ServeLogs> logs,
                            ServeLogs::Open(args.logs, console.quiet()));
  DatabaseOptions options;
  options.create_if_missing = true;
  options.background_threads = static_cast<uint32_t>(args.threads);
  LEADLINE_RETURN_IF_ERROR(ParseDurabilityFlag(args.durability, &options));
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                            Database::Open(args.where.database, options));
  rpc::Service service(database.get(), &tokens, ServiceOptionsOf(args, *logs));
  LEADLINE_ASSIGN_OR_RETURN(ServedEndpoints endpoints,
                            ServedEndpoints::Start(args.listen, &service, logs->logger()));
  endpoints.Announce(args.where.database, console);
  WaitForSignal(stop, &service, logs.get());
  logs->logger()->Log(rpc::LogLevel::kInfo, "stopping",
                      {{"drain_ms", static_cast<int64_t>(args.drain_ms)}});
  service.Drain();
  endpoints.Shutdown(static_cast<int64_t>(args.drain_ms));
  service.FinishJobs();
  LEADLINE_RETURN_IF_ERROR(database->Close());
  logs->logger()->Log(rpc::LogLevel::kInfo, "stopped", {});
  return ExitCode::kDone;
}

CommandBody DeclareServe(Arguments& arguments) {
  auto args = std::make_shared<ServeArguments>();
  DeclareDatabase(arguments, &args->where);
  DeclareListening(arguments, &args->listen);
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
          "made one.\nListens beyond this machine only with TLS and a token; changed TLS files are "
          "used for new connections within a second.\nSIGTERM or SIGINT ends it: calls in flight "
          "finish first; a second signal ends it at once.\nWith --json one line when it serves: "
          "{\"grpc\":ADDRESS,\"grpc_port\":N,\"http\":ADDRESS,\"http_port\":N}.",
          DeclareServe};
}

}  // namespace leadline::cli
