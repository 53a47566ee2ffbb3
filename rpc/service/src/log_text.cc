#include "log_text.h"

#include <ctime>

#include <nlohmann/json.hpp>

namespace leadline::rpc {

std::string Rfc3339(int64_t unix_millis) {
  int64_t seconds = unix_millis / 1000;
  int64_t millis = unix_millis % 1000;
  if (millis < 0) {
    millis += 1000;
    --seconds;
  }
  const auto time = static_cast<time_t>(seconds);
  struct tm parts = {};
  char text[64];
  if (::gmtime_r(&time, &parts) == nullptr ||
      std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
    return "";
  }
  const std::string digits = std::to_string(1000 + millis);
  return std::string(text) + "." + digits.substr(1) + "Z";
}

std::string QuotedText(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace leadline::rpc
