#pragma once

/// What a server tells those who run it. No global state: whoever logs was given a Logger.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <variant>

#include "leadline/core/clock.h"

namespace leadline::rpc {

enum class LogLevel : uint8_t { kError, kWarning, kInfo, kDebug };

enum class LogFormat : uint8_t {
  kText,  ///< "2026-11-26T20:22:30.123Z info serving address=127.0.0.1:7701"
  kJson,  ///< {"time":"..","level":"info","message":"serving","address":".."}
};

/// One fact beside the message. Borrowed. An empty text is left out.
struct LogField {
  std::string_view name;
  std::variant<std::string_view, int64_t> value;
};

/// Never takes contents of records, queries or secrets; strings are escaped and cut at
/// kMaxLogTextBytes, so that one event is one line whatever a client sent. Thread-safe.
class Logger {
 public:
  virtual ~Logger() = default;

  [[nodiscard]] virtual bool Enabled(LogLevel level) const = 0;

  virtual void Log(LogLevel level, std::string_view message,
                   std::initializer_list<LogField> fields) = 0;
};

inline constexpr size_t kMaxLogTextBytes = 512;

/// Takes one whole line, its end included; called from several threads at a time.
using LogSink = std::function<void(std::string_view line)>;

/// Writes events up to `level` to `sink`. `clock` must outlive it.
std::unique_ptr<Logger> NewLogger(LogLevel level, LogFormat format, Clock* clock, LogSink sink);

}  // namespace leadline::rpc
