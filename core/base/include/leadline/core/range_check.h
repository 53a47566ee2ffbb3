#pragma once

#include <cstdint>
#include <string_view>

#include "leadline/core/status.h"

namespace leadline {

/// kInvalidArgument that names field, value and limit unless low <= value <= high.
Status CheckRange(std::string_view field, uint64_t value, uint64_t low, uint64_t high);

}  // namespace leadline
