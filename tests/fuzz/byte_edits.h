#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace leadline::testing {

/// Applies `edits`, four bytes each (offset as u16 or, with the top bit of the third byte, counted
/// from the end; two spare bits; the new byte), to a sound file: random bytes alone would never
/// come past its checks.
inline std::string Edited(std::string bytes, std::string_view edits) {
  for (size_t i = 0; i + 4 <= edits.size() && !bytes.empty(); i += 4) {
    const auto at = [&](size_t k) { return static_cast<uint8_t>(edits[i + k]); };
    const size_t offset =
        (at(0) | static_cast<size_t>(at(1)) << 8 | static_cast<size_t>(at(2) & 0x3F) << 16) %
        bytes.size();
    bytes[(at(2) & 0x80) != 0 ? bytes.size() - 1 - offset : offset] = edits[i + 3];
  }
  return bytes;
}

}  // namespace leadline::testing
