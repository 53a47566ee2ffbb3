#pragma once

#include <cstddef>
#include <optional>

#include "analysed_text.h"

namespace leadline::judge {

/// A word of one sentence whose negation or opposite the other sentence has.
struct Opposition {
  size_t word = 0;        ///< index into the words of the response
  bool negation = false;  ///< "not X" against "X"; else an antonym such as "increases"/"reduces"
};

/// Compares what two sentences deny. Knows the negators of English, German, Spanish, French,
/// Portuguese, Russian, Turkish, Vietnamese, Thai, Chinese and Japanese, and common
/// English antonyms. A negator denies the next few content words.
std::optional<Opposition> FindOpposition(const AnalysedText& response, const Sentence& stated,
                                         const AnalysedText& context, const Sentence& given);

}  // namespace leadline::judge
