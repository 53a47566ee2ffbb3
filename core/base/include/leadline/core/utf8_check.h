#pragma once

#include <string_view>

namespace leadline {

/// True for well-formed UTF-8 (RFC 3629: no overlong forms, surrogates or values over U+10FFFF).
bool IsValidUtf8(std::string_view text);

}  // namespace leadline
