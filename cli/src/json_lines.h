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

/// A float as the double with its shortest decimal form: .9f gives 0.9, not 0.8999999761581421.
/// Casting back gives the same float.
double ShortestDouble(float value);

/// A stored payload as JSON; an object, empty where the text is empty or damaged.
Json PayloadJson(std::string_view payload);

}  // namespace leadline::cli
