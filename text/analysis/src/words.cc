#include "leadline/text/words.h"

#include <unicode/ubrk.h>
#include <unicode/uchar.h>

#include "icu_break.h"
#include "leadline/text/fold.h"
#include "leadline/text/utf8.h"

namespace leadline::text {
namespace {

// ICU reports how a word ends, so "B12" reads as a number there; here a single letter makes
// letters.
WordKind KindOf(std::string_view word, int32_t rule_status) {
  if (rule_status >= UBRK_WORD_KANA) {
    return WordKind::kIdeographic;
  }
  if (rule_status >= UBRK_WORD_LETTER) {
    return WordKind::kLetters;
  }
  for (size_t at = 0; at < word.size();) {
    const DecodedRune next = DecodeRune(word, at);
    if (u_isalpha(static_cast<UChar32>(next.rune)) != 0) {
      return WordKind::kLetters;
    }
    at += next.size;
  }
  return WordKind::kNumber;
}

}  // namespace

std::vector<WordSpan> SplitWords(std::string_view utf8) {
  std::vector<WordSpan> words;
  size_t begin = 0;
  for (const Boundary& boundary : FindBoundaries(utf8, BreakKind::kWord)) {
    if (boundary.rule_status >= UBRK_WORD_NUMBER) {
      const std::string_view word = utf8.substr(begin, boundary.end - begin);
      words.push_back({begin, boundary.end, KindOf(word, boundary.rule_status), Fold(word)});
    }
    begin = boundary.end;
  }
  return words;
}

}  // namespace leadline::text
