#pragma once

#include <cstdint>
#include <string>

#include "leadline/core/status.h"

namespace leadline::cli {

/// Bytes of files below `directory` that this process has mapped and that are in memory now: the
/// pages that were touched. Source: Rss of /proc/self/smaps.
Result<uint64_t> MappedBytesInMemory(const std::string& directory);

}  // namespace leadline::cli
