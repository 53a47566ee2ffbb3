#pragma once

#include <string_view>

namespace leadline::eval {

/// Style sheet of the report; light and dark follow the reader's system.
extern const std::string_view kPageStyle;
/// Search box and column sorting of the query table; the page reads without it.
extern const std::string_view kPageScript;

}  // namespace leadline::eval
