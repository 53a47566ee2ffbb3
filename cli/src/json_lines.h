#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "console.h"

namespace leadline::cli {

/// JSON objects keep the order in which fields are set, so that lines read the same every time.
using Json = nlohmann::ordered_json;

/// Writes one object on one line. Ill-formed UTF-8 becomes U+FFFD; non-finite numbers become null.
void WriteJsonLine(Console& console, const Json& object);
std::string JsonText(const Json& value);

/// A stored payload as JSON; an object, empty where the text is empty or damaged.
Json PayloadJson(std::string_view payload);

}  // namespace leadline::cli
