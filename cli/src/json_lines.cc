#include "json_lines.h"

namespace leadline::cli {

std::string JsonText(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void WriteJsonLine(Console& console, const Json& object) {
  console.Line(JsonText(object));
}

Json PayloadJson(std::string_view payload) {
  if (payload.empty()) {
    return Json::object();
  }
  Json parsed = Json::parse(payload, nullptr, /*allow_exceptions=*/false);
  return parsed.is_discarded() ? Json::object() : parsed;
}

}  // namespace leadline::cli
