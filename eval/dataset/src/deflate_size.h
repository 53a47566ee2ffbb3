#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace leadline::eval {

/// Bytes that a zlib stream (RFC 1950) unpacks to, found without unpacking it. nullopt where the
/// stream is malformed, ends early, or unpacks to more than `limit`. The checksum at its end is not
/// compared. Cost: linear in the stream. Source: RFC 1951, with the canonical decoding of zlib's
/// contrib/puff.
std::optional<uint64_t> InflatedBytes(std::string_view stream, uint64_t limit);

}  // namespace leadline::eval
