#include "leadline/core/range_check.h"

#include <string>

namespace leadline {

Status CheckRange(std::string_view field, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) {
    return {};
  }
  return InvalidFieldError("value out of range", field, std::to_string(value),
                           std::to_string(low) + ".." + std::to_string(high));
}

}  // namespace leadline
