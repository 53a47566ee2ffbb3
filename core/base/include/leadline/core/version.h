#pragma once

#include <cstdint>
#include <string_view>

namespace leadline {

/// Version of this library, "major.minor.patch".
std::string_view Version();

/// Newest on-disk formats this library writes and the newest it reads; storage/FORMAT.md has the
/// table of changes.
inline constexpr uint32_t kDatabaseFormatVersion = 1;
inline constexpr uint32_t kSegmentFormatVersion = 1;

}  // namespace leadline
