#pragma once

/// Spans of calls for a collector, by OTLP over HTTP with JSON
/// (https://opentelemetry.io/docs/specs/otlp/).

#include <cstdint>
#include <memory>
#include <string>

#include "leadline/core/clock.h"
#include "leadline/core/status.h"
#include "leadline/rpc/call_record.h"
#include "leadline/rpc/logger.h"

namespace leadline::rpc {

struct SpanExporterOptions {
  std::string
      url;  ///< "http://127.0.0.1:4318/v1/traces"; http or https, no redirection is followed
  std::string service_name = "leadline";
  /// The share of traces that begin here and are exported, 0 to 1. Those of callers are where the
  /// caller samples them.
  double ratio = 1;
  size_t max_waiting = 10'000;  ///< spans; more are left out
  int64_t interval_ms = 1'000;  ///< between two batches
};

/// kInvalidArgument about url or ratio.
Status CheckSpanExporter(const SpanExporterOptions& options);

/// Sends spans from a thread of its own: a collector that is slow or gone holds up no call. What
/// could not be sent is lost, counted, and logged once a minute. Thread-safe.
class SpanExporter : public CallObserver {
 public:
  /// The errors of CheckSpanExporter. Borrows clock and logger.
  static Result<std::unique_ptr<SpanExporter>> Start(const SpanExporterOptions& options,
                                                     Clock* clock, Logger* logger);

  /// Spans that no collector has taken.
  [[nodiscard]] virtual uint64_t lost() const = 0;
};

}  // namespace leadline::rpc
