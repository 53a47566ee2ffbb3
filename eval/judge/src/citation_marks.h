#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace leadline::judge {

/// Bytes [begin, end) of a text.
struct CitationMark {
  size_t begin = 0;
  size_t end = 0;
};

/// Finds the marks that refer to sources: `[1]`, `[2, 3]`, `[1-3]`, `[^1]`. In order, without
/// overlap. A mark holds whole numbers with commas, blanks, hyphens or dashes between them and
/// nothing else, so that `[4.5]` and `[-4]` are none. Any bytes. Cost: one pass.
std::vector<CitationMark> FindCitationMarks(std::string_view text);

}  // namespace leadline::judge
