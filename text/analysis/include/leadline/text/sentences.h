#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace leadline::text {

/// One sentence: bytes [begin, end) of the text, without surrounding white space, never empty.
struct SentenceSpan {
  size_t begin = 0;
  size_t end = 0;
};

/// Splits a text into sentences, in order.
///
/// Rules:    Unicode Standard Annex 29 (ICU), then corrections: no break after abbreviations
///           ("Dr.", "e.g.", "Fig. 2", "et al."), initials ("J. Smith", "U.S. Army") and list
///           numbers ("1. First"), nor inside decimals. A line break always ends a sentence.
///           Chinese and Japanese end at their own full stops. Thai writes no full stop: a space
///           between Thai letters ends a sentence once it holds 40 code points, so the unit there
///           is a clause or more. In a text without any capital a sentence also ends at a full stop
///           before a blank and a small letter or digit, abbreviations and lone letters excepted.
/// Quality:  of the starts it finds in SciFact's 5,183 abstracts 99.2% are the annotated ones, and
///           it finds 96.7% of those (many of the others are cuts after "+/-").
/// Limits:   heuristic. "vitamin C. Later ..." may stay in one piece; a sentence that ends with an
///           abbreviation and continues with a name too.
/// Input:    any bytes; invalid UTF-8 counts as U+FFFD. Empty or blank text: no sentences.
/// Threads:  safe. Cost: about 20 MB/s.
std::vector<SentenceSpan> SplitSentences(std::string_view utf8);

}  // namespace leadline::text
