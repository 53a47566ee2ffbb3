#pragma once

#include <string>

namespace leadline {

/// What the system says of an error number. Thread-safe.
std::string ErrnoText(int error);

}  // namespace leadline
