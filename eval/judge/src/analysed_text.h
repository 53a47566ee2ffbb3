#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/text/words.h"

namespace leadline::judge {

/// A word prepared for comparison.
struct Term {
  std::string key;        ///< equal keys = same word: folded, numbers normalised, endings cut
  float weight = 1.0F;    ///< in (0, 1]
  bool function = false;  ///< carries no fact of its own
};

/// Bytes [begin, end) of the text, words [first_word, last_word).
struct Sentence {
  size_t begin = 0;
  size_t end = 0;
  size_t first_word = 0;
  size_t last_word = 0;
};

/// Sentences with more words are cut, so that work per sentence is bounded.
inline constexpr size_t kMaxSentenceWords = 256;
/// Words of scripts with endings are compared by this many first code points, which is the same in
/// every language and was chosen as docs/groundedness.md says.
inline constexpr size_t kKeyRunes = 5;

/// A text cut into sentences and words. `text` is borrowed and must outlive the struct.
struct AnalysedText {
  std::string_view text;
  std::vector<text::WordSpan> words;
  std::vector<Term> terms;  ///< one per word
  std::vector<Sentence> sentences;

  [[nodiscard]] std::string_view Written(size_t word) const {
    return text.substr(words[word].begin, words[word].end - words[word].begin);
  }

  /// Bytes between a word and the next, or the end of the text.
  [[nodiscard]] std::string_view Gap(size_t word) const {
    const size_t begin = words[word].end;
    return text.substr(begin,
                       (word + 1 < words.size() ? words[word + 1].begin : text.size()) - begin);
  }

  [[nodiscard]] std::string_view Written(const Sentence& sentence) const {
    return text.substr(sentence.begin, sentence.end - sentence.begin);
  }

  [[nodiscard]] std::span<const Term> Terms(const Sentence& sentence) const {
    return std::span(terms).subspan(sentence.first_word, sentence.last_word - sentence.first_word);
  }
};

/// What becomes of `[1]` and other marks that refer to sources.
enum class CitationMarks : uint8_t {
  kAreWords,
  kAreLeftOut,  ///< their numbers are not among `words`
};

/// Cuts a text. Sentences without a word are dropped. Cost: about 5 MB/s.
AnalysedText Analyse(std::string_view text, CitationMarks marks);

/// Key and weight of one folded word.
Term MakeTerm(std::string_view folded, text::WordKind kind);

}  // namespace leadline::judge
