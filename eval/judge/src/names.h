#pragma once

#include <cstddef>
#include <vector>

#include "analysed_text.h"

namespace leadline::judge {

/// Words [first_word, last_word) of a text that form a name.
struct Name {
  size_t first_word = 0;
  size_t last_word = 0;
};

/// Finds names in scripts with upper case: runs of capitalised words, linked by "of", "de", "van"
/// and the like. A single capitalised word that opens the sentence is no name, and neither is
/// anything in a sentence whose words are mostly capitalised (a title, shouting).
std::vector<Name> FindNames(const AnalysedText& text, const Sentence& sentence);

}  // namespace leadline::judge
