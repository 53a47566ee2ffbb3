#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace leadline::text {

enum class WordKind : uint8_t {
  kLetters = 1,      ///< a word of any alphabet, Thai included; may hold digits ("B12")
  kNumber = 2,       ///< digits of any script with their inner separators: "3.14", "1,000"
  kIdeographic = 3,  ///< Chinese or Japanese dictionary word, or kana
};

/// One word: bytes [begin, end) of the text and its form for comparison (see Fold in fold.h).
struct WordSpan {
  size_t begin = 0;
  size_t end = 0;
  WordKind kind = WordKind::kLetters;
  std::string folded;
};

/// Splits a text into words, in order; space and punctuation are left out.
///
/// Rules:    Unicode Standard Annex 29 with ICU's dictionaries, so Thai, Lao, Khmer, Burmese,
/// Chinese
///           and Japanese are cut into words without spaces. Hyphenated words are split, inner
///           apostrophes and decimal separators are kept ("don't", "3.14").
/// Input:    any bytes; invalid UTF-8 counts as U+FFFD and separates words. Empty text: no words.
/// Threads:  safe. Cost: about 10 MB/s; one allocation a long word.
std::vector<WordSpan> SplitWords(std::string_view utf8);

}  // namespace leadline::text
