#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace leadline::eval {

/// Keeps the order in which fields are set.
using Json = nlohmann::ordered_json;

/// On one line. Ill-formed UTF-8 becomes U+FFFD; non-finite numbers become null.
inline std::string JsonText(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace leadline::eval
