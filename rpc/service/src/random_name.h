#pragma once

#include <string>

#include "leadline/core/status.h"

namespace leadline::rpc {

/// `bytes` random bytes of the system, at most 64, as hexadecimal digits. kUnavailable where it has
/// none.
Result<std::string> RandomHex(size_t bytes);

/// Lower-case hexadecimal digits.
std::string ToHex(const unsigned char* bytes, size_t count);

}  // namespace leadline::rpc
