#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace leadline::rpc {

/// "2026-11-26T20:22:30.123Z" (RFC 3339), UTC.
std::string Rfc3339(int64_t unix_millis);

/// `text` as a JSON string of ASCII alone, quotes included. Bytes that are no UTF-8 become U+FFFD.
std::string QuotedText(std::string_view text);

}  // namespace leadline::rpc
