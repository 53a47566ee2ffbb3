#include "citation_marks.h"

#include "leadline/text/utf8.h"

namespace leadline::judge {
namespace {

bool IsDigit(char32_t rune) {
  return rune >= '0' && rune <= '9';
}

bool IsBlank(char32_t rune) {
  return rune == ' ' || rune == 0x00A0;
}

bool IsSeparator(char32_t rune) {
  const bool dash = rune == '-' || (rune >= 0x2010 && rune <= 0x2015);  // hyphen to horizontal bar
  return dash || rune == ',' || IsBlank(rune);
}

/// End of the mark whose bracket opens at `open`, or `open` where there is none.
size_t EndOfMark(std::string_view text, size_t open) {
  size_t at = open + 1;
  at += text.substr(at).starts_with('^') ? 1 : 0;
  bool number = false;
  bool ends_in_digit_or_blank = false;
  while (at < text.size()) {
    const text::DecodedRune next = text::DecodeRune(text, at);
    at += next.size;
    if (next.rune == ']') {
      return number && ends_in_digit_or_blank ? at : open;
    }
    if (!IsDigit(next.rune) && !(number ? IsSeparator(next.rune) : IsBlank(next.rune))) {
      return open;
    }
    number = number || IsDigit(next.rune);
    ends_in_digit_or_blank = IsDigit(next.rune) || (ends_in_digit_or_blank && IsBlank(next.rune));
  }
  return open;
}

}  // namespace

std::vector<CitationMark> FindCitationMarks(std::string_view text) {
  std::vector<CitationMark> marks;
  for (size_t at = text.find('['); at != std::string_view::npos; at = text.find('[', at)) {
    const size_t end = EndOfMark(text, at);
    if (end > at) {
      marks.push_back({at, end});
    }
    at = end > at ? end : at + 1;
  }
  return marks;
}

}  // namespace leadline::judge
