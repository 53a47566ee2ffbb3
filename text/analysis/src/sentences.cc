#include "leadline/text/sentences.h"

#include <string>

#include <unicode/uchar.h>

#include "abbreviations.h"
#include "icu_break.h"
#include "leadline/text/fold.h"
#include "leadline/text/utf8.h"

namespace leadline::text {
namespace {

constexpr size_t kThaiMinRunes = 40;
// Longest word the abbreviation rules look at; anything longer is no abbreviation.
constexpr size_t kMaxAbbreviation = 12;

SentenceSpan Trim(std::string_view text, SentenceSpan span) {
  while (span.begin < span.end) {
    const DecodedRune rune = DecodeRune(text, span.begin);
    if (!IsWhiteSpace(rune.rune)) {
      break;
    }
    span.begin += rune.size;
  }
  while (span.end > span.begin) {
    const DecodedRune rune = DecodeRuneBefore(text, span.end);
    if (!IsWhiteSpace(rune.rune)) {
      break;
    }
    span.end -= rune.size;
  }
  return span;
}

bool HasLineBreak(std::string_view gap) {
  return gap.find_first_of("\n\r\v\f") != std::string_view::npos ||
         gap.find("\xC2\x85") != std::string_view::npos ||      // next line
         gap.find("\xE2\x80\xA8") != std::string_view::npos ||  // line separator
         gap.find("\xE2\x80\xA9") != std::string_view::npos;    // paragraph separator
}

bool IsAsciiLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool IsAsciiDigit(char c) {
  return c >= '0' && c <= '9';
}

// The run of ASCII letters and inner full stops that ends at `end`; empty when it is longer than an
// abbreviation or glued to other letters or digits.
std::string_view WordBefore(std::string_view text, size_t end) {
  size_t begin = end;
  while (begin > 0 && end - begin <= kMaxAbbreviation &&
         (IsAsciiLetter(text[begin - 1]) || text[begin - 1] == '.')) {
    --begin;
  }
  if (end - begin > kMaxAbbreviation) {
    return {};
  }
  if (begin > 0 && u_isalnum(static_cast<UChar32>(DecodeRuneBefore(text, begin).rune)) != 0) {
    return {};
  }
  return text.substr(begin, end - begin);
}

std::string_view WordAfter(std::string_view text, size_t begin) {
  size_t end = begin;
  while (end < text.size() && IsAsciiLetter(text[end])) {
    ++end;
  }
  return text.substr(begin, end - begin);
}

// Tells whether "J" in "J. Smith" or "George W. Bush" reads as an initial: at the start of the
// sentence, in a list of names or after a capitalised word. After a small word ("vitamin C. Later")
// it does not.
bool ReadsAsInitial(std::string_view text, size_t sentence_begin, size_t letter) {
  size_t end = letter;
  while (end > sentence_begin && text[end - 1] == ' ') {
    --end;
  }
  if (end == sentence_begin ||
      std::string_view(".,(").find(text[end - 1]) != std::string_view::npos) {
    return true;
  }
  size_t begin = end;
  while (begin > sentence_begin && IsAsciiLetter(text[begin - 1])) {
    --begin;
  }
  return begin < end && text[begin] >= 'A' && text[begin] <= 'Z';
}

// Tells whether the sentence that was closed at `left.end` in fact goes on at `next`.
bool GoesOn(std::string_view text, const SentenceSpan& left, size_t next, bool uncased) {
  if (text[left.end - 1] != '.' || next >= text.size()) {
    return false;
  }
  const size_t dot = left.end - 1;
  const std::string_view word = WordBefore(text, dot);
  if (word.empty() || text.data() + left.begin > word.data()) {
    return false;
  }
  const bool digit_follows = IsAsciiDigit(text[next]);
  const bool opener_follows = OpensSentences(Fold(WordAfter(text, next)));
  switch (FindAbbreviation(Fold(word))) {
    case AbbreviationKind::kNeverEnds:
      return true;
    case AbbreviationKind::kBeforeDigit:
      if (digit_follows) {
        return true;
      }
      break;
    case AbbreviationKind::kMayEnd:
      return !opener_follows;
    case AbbreviationKind::kNone:
      break;
  }
  if (word.size() == 1 && uncased) {
    return !opener_follows;
  }
  if (word.size() == 1) {
    const std::string_view after = WordAfter(text, next);
    const bool initial_follows = after.size() == 1 && text.substr(next + 1, 1) == ".";
    return word[0] >= 'A' && word[0] <= 'Z' && !opener_follows && !digit_follows &&
           (initial_follows ||
            ReadsAsInitial(text, left.begin, static_cast<size_t>(word.data() - text.data())));
  }
  return word.find('.') != std::string_view::npos && word.front() != '.' && !opener_follows;
}

// "1.", "12)", "a." and the like: the number of a list item, part of what follows.
bool IsListNumber(std::string_view piece) {
  if (piece.size() < 2 || piece.size() > 4 || (piece.back() != '.' && piece.back() != ')')) {
    return false;
  }
  piece.remove_suffix(1);
  if (piece.size() == 1 && IsAsciiLetter(piece[0])) {
    return true;
  }
  return piece.find_first_not_of("0123456789") == std::string_view::npos;
}

bool HasCapitals(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const DecodedRune next = DecodeRune(text, at);
    if (u_isUUppercase(static_cast<UChar32>(next.rune)) != 0) {
      return true;
    }
    at += next.size;
  }
  return false;
}

// Tells whether one letter beyond ASCII stands alone before `end`: an initial or part of an
// abbreviation that no table here knows.
bool IsLoneLetter(std::string_view text, size_t end) {
  const DecodedRune letter = DecodeRuneBefore(text, end);
  if (letter.rune < 0x80 || u_isalpha(static_cast<UChar32>(letter.rune)) == 0) {
    return false;
  }
  const size_t begin = end - letter.size;
  return begin == 0 || u_isalnum(static_cast<UChar32>(DecodeRuneBefore(text, begin).rune)) == 0;
}

// Appends `piece`, cut behind each full stop before a blank. Unicode's rules take a full stop
// before a small letter for an abbreviation's; in a text without capitals that proves nothing.
void AppendSplittingUncased(std::string_view text, SentenceSpan piece,
                            std::vector<SentenceSpan>* out) {
  for (size_t dot = text.find('.', piece.begin); dot < piece.end; dot = text.find('.', dot + 1)) {
    const SentenceSpan rest = Trim(text, {dot + 1, piece.end});
    const size_t before = Trim(text, {piece.begin, dot}).end;
    const bool starts = before == piece.begin;
    const bool ellipsis = !starts && text[before - 1] == '.';
    if (rest.begin == dot + 1 || rest.begin == rest.end || starts || ellipsis ||
        IsLoneLetter(text, dot)) {
      continue;
    }
    if (u_isalnum(static_cast<UChar32>(DecodeRune(text, rest.begin).rune)) != 0) {
      out->push_back({piece.begin, dot + 1});
      piece.begin = rest.begin;
    }
  }
  out->push_back(piece);
}

// Sentences as Unicode's rules have them, trimmed, none empty; finer in a text without capitals.
std::vector<SentenceSpan> FindPieces(std::string_view text, bool uncased) {
  std::vector<SentenceSpan> pieces;
  size_t begin = 0;
  for (const Boundary& boundary : FindBoundaries(text, BreakKind::kSentence)) {
    const SentenceSpan piece = Trim(text, {begin, boundary.end});
    begin = boundary.end;
    if (piece.begin == piece.end) {
      continue;
    }
    if (uncased) {
      AppendSplittingUncased(text, piece, &pieces);
    } else {
      pieces.push_back(piece);
    }
  }
  return pieces;
}

bool IsThai(char32_t rune) {
  return rune >= 0x0E00 && rune <= 0x0E7F;
}

void AppendSplittingThai(std::string_view text, SentenceSpan span, std::vector<SentenceSpan>* out) {
  size_t runes = 0;
  char32_t previous = 0;
  for (size_t at = span.begin; at < span.end;) {
    const DecodedRune rune = DecodeRune(text, at);
    if (rune.rune == ' ' && IsThai(previous) && runes >= kThaiMinRunes &&
        IsThai(DecodeRune(text, at + 1).rune)) {
      out->push_back({span.begin, at});
      span.begin = at + 1;
      runes = 0;
    }
    previous = rune.rune;
    ++runes;
    at += rune.size;
  }
  out->push_back(span);
}

}  // namespace

std::vector<SentenceSpan> SplitSentences(std::string_view utf8) {
  std::vector<SentenceSpan> out;
  SentenceSpan open;  // the sentence under construction, empty when none
  const bool uncased = !HasCapitals(utf8);
  for (const SentenceSpan& piece : FindPieces(utf8, uncased)) {
    if (open.begin == open.end) {
      open = piece;
      continue;
    }
    const std::string_view gap = utf8.substr(open.end, piece.begin - open.end);
    const bool joins =
        !HasLineBreak(gap) && (GoesOn(utf8, open, piece.begin, uncased) ||
                               IsListNumber(utf8.substr(open.begin, open.end - open.begin)));
    if (joins) {
      open.end = piece.end;
    } else {
      AppendSplittingThai(utf8, open, &out);
      open = piece;
    }
  }
  if (open.begin != open.end) {
    AppendSplittingThai(utf8, open, &out);
  }
  return out;
}

}  // namespace leadline::text
