#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace leadline::text {

enum class BreakKind { kSentence, kWord };

/// A boundary found by ICU: byte offset of its end and ICU's rule status of the unit before it.
struct Boundary {
  size_t end = 0;
  int32_t rule_status = 0;
};

/// Returns the boundaries of `utf8` in order; the last one is the end of the text. Texts above
/// 64 MiB are cut there (between code points) before ICU sees them, since ICU counts in int32.
/// Source: Unicode Standard Annex 29, with ICU's dictionaries for Thai, Lao, Khmer, Burmese and
/// CJK. Threads: safe.
std::vector<Boundary> FindBoundaries(std::string_view utf8, BreakKind kind);

}  // namespace leadline::text
