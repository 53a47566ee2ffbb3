#include "bert_runes.h"

#include <memory>

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

namespace leadline::text {
namespace {

// The `tokenizers` package classifies by the tables of Unicode 8 and decomposes by those of
// Unicode 12 (found by running it on every code point). Younger characters are plain letters to it.
constexpr uint8_t kCategoryAge = 8;
constexpr uint8_t kDecompositionAge = 12;

// Where ICU's general category has changed since Unicode 8.
struct Exception {
  UChar32 rune;
  UCharCategory then;
};

constexpr std::array<Exception, 6> kChanged = {{
    {0x166D, U_OTHER_PUNCTUATION},
    {0x1734, U_NON_SPACING_MARK},
    {0x1885, U_OTHER_LETTER},
    {0x1886, U_OTHER_LETTER},
    {0xA9BD, U_COMBINING_SPACING_MARK},
    {0x111C9, U_OTHER_PUNCTUATION},
}};

uint8_t Age(UChar32 rune) {
  UVersionInfo version;
  u_charAge(rune, version);
  return version[0];
}

// General category as of Unicode 8; unassigned there reads as an unassigned code point.
int8_t Category(UChar32 rune) {
  for (const Exception& exception : kChanged) {
    if (exception.rune == rune) {
      return static_cast<int8_t>(exception.then);
    }
  }
  const uint8_t age = Age(rune);
  return age > kCategoryAge ? static_cast<int8_t>(U_UNASSIGNED) : u_charType(rune);
}

bool IsPunctuation(UChar32 rune) {
  if (rune < 0x80) {
    return rune > ' ' && rune < 0x7F && u_isalnum(rune) == 0;
  }
  return (U_MASK(Category(rune)) & U_GC_P_MASK) != 0;
}

bool IsRemoved(UChar32 rune) {
  constexpr uint32_t kRemoved = U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK | U_GC_CS_MASK;
  return rune == 0 || rune == 0xFFFD || (U_MASK(Category(rune)) & kRemoved) != 0;
}

// The ranges of BERT's tokenizer, with the gap that the `tokenizers` package leaves before 2B920.
bool IsIdeograph(UChar32 c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

void AppendPart(RuneMapping* mapping, UChar32 rune, bool isolate) {
  if (Category(rune) == U_NON_SPACING_MARK || mapping->count == RuneMapping::kMaxRunes) {
    return;
  }
  const UChar32 lower = u_tolower(rune);
  const RuneAction action =
      isolate || IsPunctuation(lower) ? RuneAction::kIsolate : RuneAction::kLetter;
  mapping->parts[mapping->count++] = {static_cast<char32_t>(lower), action};
}

RuneMapping MapSlowly(UChar32 rune) {
  RuneMapping mapping;
  // A tab or a line end is white space before it is a control character.
  if (u_isUWhiteSpace(rune) != 0 &&
      (!IsRemoved(rune) || rune == '\t' || rune == '\n' || rune == '\r')) {
    mapping.parts[mapping.count++] = {U' ', RuneAction::kSpace};
    return mapping;
  }
  if (IsRemoved(rune)) {
    return mapping;
  }
  const bool isolate = IsIdeograph(rune);
  UErrorCode error = U_ZERO_ERROR;
  const UNormalizer2* nfd = unorm2_getNFDInstance(&error);
  std::array<UChar, 2 * RuneMapping::kMaxRunes> units{};
  int32_t length = -1;
  if (U_SUCCESS(error) && Age(rune) <= kDecompositionAge) {
    length = unorm2_getDecomposition(nfd, rune, units.data(), static_cast<int32_t>(units.size()),
                                     &error);
  }
  if (length < 0 || U_FAILURE(error)) {
    AppendPart(&mapping, rune, isolate);
    return mapping;
  }
  for (int32_t i = 0; i < length;) {
    UChar32 part = 0;
    U16_NEXT(units.data(), i, length, part);
    AppendPart(&mapping, part, isolate);
  }
  return mapping;
}

// Every alphabet in daily use lies below this; the table takes 0.5 MB and 2 ms to fill.
constexpr size_t kTableRunes = 0x3000;
using Table = std::array<RuneMapping, kTableRunes>;

const Table& MappingTable() {
  static const std::unique_ptr<const Table> kTable = [] {
    auto table = std::make_unique<Table>();
    for (size_t rune = 0; rune < kTableRunes; ++rune) {
      (*table)[rune] = MapSlowly(static_cast<UChar32>(rune));
    }
    return table;
  }();
  return *kTable;
}

RuneMapping Single(char32_t rune, RuneAction action) {
  RuneMapping mapping;
  mapping.parts[0] = {rune, action};
  mapping.count = 1;
  return mapping;
}

}  // namespace

RuneMapping MapBertRune(char32_t rune) {
  if (rune < kTableRunes) {
    return MappingTable()[rune];
  }
  if (rune >= 0x4E00 && rune <= 0x9FFF) {
    return Single(rune, RuneAction::kIsolate);
  }
  if (rune > 0x10FFFF) {
    return {};
  }
  return MapSlowly(static_cast<UChar32>(rune));
}

}  // namespace leadline::text
