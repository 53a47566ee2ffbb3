#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "arguments.h"
#include "leadline/core/status.h"
#include "leadline/rpc/audit_log.h"
#include "leadline/rpc/logger.h"
#include "leadline/rpc/span_exporter.h"
#include "signal_hangup.h"

namespace leadline::cli {

struct ServeLogArguments {
  std::string level = "info";
  std::string format = "auto";
  std::optional<std::string> audit;
  uint64_t slow_ms = 1000;
  std::optional<std::string> otlp;
  double otlp_ratio = 1;
};

void DeclareServeLogs(Arguments& arguments, ServeLogArguments* target);

/// The errors of ServeLogs::Open as far as they show without opening anything.
Status CheckServeLogs(const ServeLogArguments& args);

/// What a server writes for those who run it: events on standard error, changes into a file, spans
/// to a collector.
class ServeLogs {
 public:
  /// I/O errors where the audit log cannot be opened, kInvalidArgument about a collector; they name
  /// the flag. Make it before starting threads. `quiet` leaves errors only.
  static Result<std::unique_ptr<ServeLogs>> Open(const ServeLogArguments& args, bool quiet);

  [[nodiscard]] rpc::Logger* logger() const { return logger_.get(); }

  /// Null without --audit.
  [[nodiscard]] rpc::AuditLog* audit() const { return audit_.get(); }

  /// Null without --otlp.
  [[nodiscard]] rpc::SpanExporter* spans() const { return spans_.get(); }

  /// Opens the audit log again where a SIGHUP asked for it; to be called every second or so.
  void Tick();

 private:
  ServeLogs() = default;

  std::unique_ptr<rpc::Logger> logger_;
  std::unique_ptr<rpc::AuditLog> audit_;
  std::unique_ptr<rpc::SpanExporter> spans_;
  /// With an audit log, or without a terminal whose end should end the server.
  std::optional<SignalHangup> hangup_;
};

}  // namespace leadline::cli
