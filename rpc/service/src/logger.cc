#include "leadline/rpc/logger.h"

#include <algorithm>
#include <string>
#include <utility>

#include "log_text.h"

namespace leadline::rpc {
namespace {

std::string_view LevelWord(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return "error";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kDebug:
      break;
  }
  return "debug";
}

/// `text` for a line for people: as it is where it is one plain word.
std::string WordOf(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7F && c != '"' && c != '=' && c != '\\';
  });
  return plain ? std::string(text) : QuotedText(text);
}

bool HasValue(const LogField& field) {
  const auto* text = std::get_if<std::string_view>(&field.value);
  return text == nullptr || !text->empty();
}

class LineLogger final : public Logger {
 public:
  LineLogger(LogLevel level, LogFormat format, Clock* clock, LogSink sink)
      : level_(level), format_(format), clock_(clock), sink_(std::move(sink)) {}

  [[nodiscard]] bool Enabled(LogLevel level) const override { return level <= level_; }

  void Log(LogLevel level, std::string_view message,
           std::initializer_list<LogField> fields) override {
    if (!Enabled(level)) {
      return;
    }
    const std::string time = Rfc3339(clock_->UnixMillis());
    sink_(format_ == LogFormat::kJson ? JsonLine(time, level, message, fields)
                                      : TextLine(time, level, message, fields));
  }

 private:
  static std::string JsonLine(const std::string& time, LogLevel level, std::string_view message,
                              std::initializer_list<LogField> fields) {
    std::string line = R"({"time":")" + time + R"(","level":")" + std::string(LevelWord(level)) +
                       R"(","message":)" + QuotedText(message);
    for (const LogField& field : fields) {
      if (HasValue(field)) {
        const auto* text = std::get_if<std::string_view>(&field.value);
        line += "," + QuotedText(field.name) + ":" +
                (text != nullptr ? QuotedText(text->substr(0, kMaxLogTextBytes))
                                 : std::to_string(std::get<int64_t>(field.value)));
      }
    }
    return line + "}\n";
  }

  static std::string TextLine(const std::string& time, LogLevel level, std::string_view message,
                              std::initializer_list<LogField> fields) {
    std::string line = time + " " + std::string(LevelWord(level)) + " " + std::string(message);
    for (const LogField& field : fields) {
      if (HasValue(field)) {
        const auto* text = std::get_if<std::string_view>(&field.value);
        line += " " + std::string(field.name) + "=" +
                (text != nullptr ? WordOf(text->substr(0, kMaxLogTextBytes))
                                 : std::to_string(std::get<int64_t>(field.value)));
      }
    }
    return line + "\n";
  }

  const LogLevel level_;
  const LogFormat format_;
  Clock* const clock_;
  const LogSink sink_;
};

}  // namespace

std::unique_ptr<Logger> NewLogger(LogLevel level, LogFormat format, Clock* clock, LogSink sink) {
  return std::make_unique<LineLogger>(level, format, clock, std::move(sink));
}

}  // namespace leadline::rpc
