#include "json_lines.h"

#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

namespace leadline::cli {

std::string JsonText(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void WriteJsonLine(Console& console, const Json& object) {
  console.Line(JsonText(object));
}

double ShortestDouble(float value) {
  if (!std::isfinite(value)) {
    return value;
  }
  std::array<char, 32> text{};
  const auto written = std::to_chars(text.data(), text.data() + text.size(), value);
  double wide = value;
  const auto read = std::from_chars(text.data(), written.ptr, wide);
  return read.ec == std::errc() ? wide : value;
}

Json PayloadJson(std::string_view payload) {
  if (payload.empty()) {
    return Json::object();
  }
  Json parsed = Json::parse(payload, nullptr, /*allow_exceptions=*/false);
  return parsed.is_discarded() ? Json::object() : parsed;
}

}  // namespace leadline::cli
