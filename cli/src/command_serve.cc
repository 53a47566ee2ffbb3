#include <memory>
#include <unistd.h>

#include "command.h"
#include "configuration.h"
#include "database_opening.h"
#include "leadline/core/clock.h"
#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"
#include "leadline/rpc/service.h"
#include "leadline/rpc/token_store.h"
#include "open_file_limit.h"
#include "serve_logs.h"
#include "serve_settings.h"
#include "served_endpoints.h"
#include "settings_report.h"
#include "signal_stop.h"

namespace leadline::cli {
namespace {

constexpr int64_t kTickMs = 200;

struct ServeArguments {
  ServeSettings settings;
  std::optional<std::string> config;
  bool check_config = false;
};

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

rpc::ServiceOptions ServiceOptionsOf(const ServeSettings& settings, const ServeLogs& logs) {
  rpc::ServiceOptions options;
  options.search_slots = settings.searches;
  options.gather_micros = settings.gather_us;
  options.backup_directory = settings.backups;
  options.reflection = settings.reflection;
  options.rate.per_second = static_cast<uint32_t>(settings.rate);
  options.logger = logs.logger();
  options.slow_ms = static_cast<int64_t>(settings.logs.slow_ms);
  options.audit = logs.audit();
  if (logs.spans() != nullptr) {
    options.observers.push_back(logs.spans());
  }
  return options;
}

Result<ExitCode> Serve(const ServeSettings& settings, const DatabaseOptions& options,
                       rpc::TokenStore* tokens, Console& console) {
  const SignalStop stop;
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<ServeLogs> logs,
                            ServeLogs::Open(settings.logs, console.quiet()));
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                            Database::Open(settings.where.database, options));
  rpc::Service service(database.get(), tokens, ServiceOptionsOf(settings, *logs));
  LEADLINE_ASSIGN_OR_RETURN(ServedEndpoints endpoints,
                            ServedEndpoints::Start(settings.listen, &service, logs->logger()));
  endpoints.Announce(settings.where.database, console);
  WaitForSignal(stop, &service, logs.get());
  logs->logger()->Log(rpc::LogLevel::kInfo, "stopping",
                      {{"drain_ms", static_cast<int64_t>(settings.drain_ms)}});
  service.Drain();
  endpoints.Shutdown(static_cast<int64_t>(settings.drain_ms));
  service.FinishJobs();
  LEADLINE_RETURN_IF_ERROR(database->Close());
  logs->logger()->Log(rpc::LogLevel::kInfo, "stopped", {});
  return ExitCode::kDone;
}

Result<ExitCode> RunServe(const Arguments& declared, const ServeArguments& args, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(
      const Configuration configuration,
      Configuration::Apply(declared, FileSystem::Posix(), args.config, ::environ));
  RaiseOpenFileLimit();  // before anything takes a share of it
  const ServeSettings& settings = args.settings;
  rpc::TokenStore tokens(FileSystem::Posix(), Clock::System(), settings.where.database);
  const Result<DatabaseOptions> options = CheckServeSettings(settings, &tokens);
  if (!options.ok()) {
    return configuration.Explain(options.status());
  }
  if (args.check_config) {
    PrintSettings(configuration.settings(), console);
    return ExitCode::kDone;
  }
  const Result<ExitCode> served = Serve(settings, *options, &tokens, console);
  return served.ok() ? served : configuration.Explain(served.status());
}

CommandBody DeclareServe(Arguments& arguments) {
  auto args = std::make_shared<ServeArguments>();
  DeclareDatabase(arguments, &args->settings.where);
  arguments.Text(&args->config, "--config", "FILE",
                 "TOML file with the settings named below; flags and environment come before it");
  arguments.Flag(&args->check_config, "--check-config",
                 "check all settings and the files they name, print what each is and where it came "
                 "from, and end");
  DeclareServeSettings(arguments, &args->settings);
  return [args, declared = &arguments](Console& console) {
    return RunServe(*declared, *args, console);
  };
}

}  // namespace

Command ServeCommand() {
  return {
      "serve", "Serve a database over gRPC and HTTP",
      R"(Creates the database where it is missing. Needs no token until `leadline token create` made one.
Listens beyond this machine only with TLS and a token; changed TLS files are used for new connections
within a second. SIGTERM or SIGINT ends it: calls in flight finish first; a second signal ends it at once.
With --json one line when it serves: {"grpc":ADDRESS,"grpc_port":N,"http":ADDRESS,"http_port":N}.

The setting SECTION.KEY is a key of the file and LEADLINE__SECTION__KEY in the environment. A flag counts
before the environment, that before the file; what is no setting is refused. --check-config neither opens
the database nor listens; with --json {"ok":true,"settings":[{"key","value","source","where"}]}.)",
      DeclareServe, "is the server"};
}

}  // namespace leadline::cli
