#pragma once

#include <string>
#include <string_view>

namespace leadline::eval {

/// Text as HTML content or attribute value: markup characters become entities, control characters
/// and ill-formed UTF-8 become U+FFFD.
std::string EscapeHtml(std::string_view bytes);

/// JSON text so that it can stand inside <script>: no '<', '>', '&', U+2028 or U+2029 is left.
std::string EscapeScriptJson(std::string_view json);

/// `value` with at most `decimals` digits after the point, trailing zeros kept.
std::string Fixed(double value, int decimals);

/// Microseconds with a fitting unit: "431 us", "2.40 ms".
std::string Micros(double micros);

}  // namespace leadline::eval
