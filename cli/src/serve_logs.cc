#include "serve_logs.h"

#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

#include "directory_rule.h"
#include "leadline/core/clock.h"

namespace leadline::cli {
namespace {

constexpr uint64_t kMaxSlowMs = 86'400'000;

rpc::LogLevel LevelOf(const std::string& word) {
  return word == "error"     ? rpc::LogLevel::kError
         : word == "warning" ? rpc::LogLevel::kWarning
         : word == "info"    ? rpc::LogLevel::kInfo
                             : rpc::LogLevel::kDebug;
}

rpc::LogFormat FormatOf(const std::string& word) {
  const bool text = word == "auto" ? ::isatty(STDERR_FILENO) == 1 : word == "text";
  return text ? rpc::LogFormat::kText : rpc::LogFormat::kJson;
}

rpc::SpanExporterOptions SpansOf(const ServeLogArguments& args) {
  rpc::SpanExporterOptions options;
  options.url = args.otlp.value_or("");
  options.ratio = args.otlp_ratio;
  return options;
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

/// True where a terminal that closes sends SIGHUP to this process.
bool HasTerminal() {
  const int terminal = ::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
  if (terminal >= 0) {
    ::close(terminal);
  }
  return terminal >= 0;
}

/// Standard error has no buffer: a line is one write.
void ToStandardError(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

void DeclareServeLogs(Arguments& arguments, ServeLogArguments* target) {
  arguments
      .Choice(&target->level, "--log-level", {"error", "warning", "info", "debug"},
              "what is told on standard error; --quiet leaves errors")
      .Key("log.level");
  arguments
      .Choice(&target->format, "--log-format", {"auto", "text", "json"},
              "lines for people or JSON lines; auto means text on a terminal")
      .Key("log.format");
  arguments
      .Number(&target->slow_ms, "--slow-ms", "calls that take longer are logged", 1, kMaxSlowMs)
      .Key("log.slow_ms");
  arguments
      .Text(&target->audit, "--audit", "FILE",
            "appends a JSON line for every change and refusal; SIGHUP opens it again")
      .Key("audit.file");
  arguments
      .Text(&target->otlp, "--otlp", "URL",
            "sends a span of every sampled call there, by OTLP over HTTP with JSON")
      .Key("otlp.url");
  arguments
      .Real(&target->otlp_ratio, "--otlp-ratio",
            "of the traces that begin here, the share that is sampled", 0, 1)
      .Key("otlp.ratio");
}

Status CheckServeLogs(const ServeLogArguments& args) {
  if (args.audit) {
    LEADLINE_RETURN_IF_ERROR(CheckDirectory("no directory for the audit log", "--audit",
                                            *args.audit, DirectoryOf(*args.audit)));
  }
  return args.otlp ? rpc::CheckSpanExporter(SpansOf(args)) : OkStatus();
}

Result<std::unique_ptr<ServeLogs>> ServeLogs::Open(const ServeLogArguments& args, bool quiet) {
  std::unique_ptr<ServeLogs> logs(new ServeLogs());
  logs->logger_ = rpc::NewLogger(quiet ? rpc::LogLevel::kError : LevelOf(args.level),
                                 FormatOf(args.format), Clock::System(), ToStandardError);
  if (args.audit) {
    rpc::AuditLogOptions options;
    options.path = *args.audit;
    auto audit = rpc::AuditLog::Open(options, Clock::System(), logs->logger_.get());
    if (!audit.ok()) {
      Status failed = audit.status();
      return failed.WithContext("--audit");
    }
    logs->audit_ = *std::move(audit);
  }
  if (args.audit || !HasTerminal()) {
    logs->hangup_.emplace();
  }
  if (args.otlp) {
    LEADLINE_ASSIGN_OR_RETURN(logs->spans_, rpc::SpanExporter::Start(SpansOf(args), Clock::System(),
                                                                     logs->logger_.get()));
  }
  return logs;
}

void ServeLogs::Tick() {
  if (!hangup_ || !hangup_->Take()) {
    return;
  }
  if (audit_ == nullptr) {
    logger_->Log(rpc::LogLevel::kInfo, "no audit log to open again", {});
    return;
  }
  const Status opened = audit_->Reopen();
  if (opened.ok()) {
    logger_->Log(rpc::LogLevel::kInfo, "audit log opened again", {});
  } else {
    logger_->Log(rpc::LogLevel::kError, "audit log stays where it was",
                 {{"error", opened.message()}});
  }
}

}  // namespace leadline::cli
