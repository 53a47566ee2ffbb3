#pragma once

#include <cstdint>

#include "leadline/rpc/call_record.h"
#include "leadline/rpc/logger.h"

namespace leadline::rpc {

/// Tells a logger of calls that went wrong inside, of slow ones, and of all under kDebug.
/// Thread-safe.
class CallLog final : public CallObserver {
 public:
  /// `logger` null logs nothing.
  CallLog(Logger* logger, int64_t slow_ms) : logger_(logger), slow_nanos_(slow_ms * 1'000'000) {}

  void Ended(const CallEnd& end) override;

 private:
  void Log(LogLevel level, std::string_view message, const CallEnd& end);

  Logger* const logger_;
  const int64_t slow_nanos_;
};

}  // namespace leadline::rpc
