#include "names.h"

#include <string_view>

#include <unicode/uchar.h>

#include "leadline/text/utf8.h"

namespace leadline::judge {
namespace {

constexpr size_t kMinWordsForTitle = 5;  // shorter sentences may well be names only

bool IsCapitalised(std::string_view word) {
  return u_isupper(static_cast<UChar32>(text::DecodeRune(word, 0).rune)) != 0;
}

bool IsLink(std::string_view folded) {
  return folded == "of" || folded == "de" || folded == "van" || folded == "von" ||
         folded == "der" || folded == "la" || folded == "del" || folded == "da" || folded == "di" ||
         folded == "du" || folded == "bin" || folded == "al";
}

// A name goes on over a space or hyphen, not over other punctuation.
bool Joined(const AnalysedText& text, size_t word) {
  const std::string_view gap = text.Gap(word);
  return gap == " " || gap == "-" || gap.empty() || gap == ". ";
}

class NameScanner {
 public:
  NameScanner(const AnalysedText& text, const Sentence& sentence)
      : text_(text), sentence_(sentence) {}

  std::vector<Name> Scan() const {
    std::vector<Name> names;
    if (IsTitle()) {
      return names;
    }
    for (size_t at = sentence_.first_word; at < sentence_.last_word;) {
      const size_t end = EndOfName(at);
      if (end == at) {
        ++at;
        continue;
      }
      // The capital of the first word says nothing, nor does that of "The" or "In" before a name.
      const bool opens = at == sentence_.first_word;
      const size_t first = opens && text_.terms[at].function ? at + 1 : at;
      if (first < end && (!opens || end - first > 1 || first > at)) {
        names.push_back({first, end});
      }
      at = end;
    }
    return names;
  }

 private:
  [[nodiscard]] bool Capital(size_t word) const {
    return text_.words[word].kind == text::WordKind::kLetters &&
           text_.words[word].end - text_.words[word].begin > 1 &&
           IsCapitalised(text_.Written(word));
  }

  [[nodiscard]] bool IsTitle() const {
    size_t capitals = 0;
    size_t letters = 0;
    for (size_t i = sentence_.first_word; i < sentence_.last_word; ++i) {
      letters += text_.words[i].kind == text::WordKind::kLetters && !text_.terms[i].function;
      capitals += Capital(i) && !text_.terms[i].function;
    }
    return letters >= kMinWordsForTitle && capitals * 10 > letters * 8;
  }

  // End of the run of capitalised words from `at`, or `at` where there is none.
  [[nodiscard]] size_t EndOfName(size_t at) const {
    if (!Capital(at)) {
      return at;
    }
    size_t end = at + 1;
    while (end < sentence_.last_word && Joined(text_, end - 1)) {
      size_t next = end;
      while (next < sentence_.last_word && IsLink(text_.words[next].folded) && next < end + 2) {
        ++next;
      }
      if (next == sentence_.last_word || !Capital(next)) {
        break;
      }
      end = next + 1;
    }
    return end;
  }

  const AnalysedText& text_;
  const Sentence& sentence_;
};

}  // namespace

std::vector<Name> FindNames(const AnalysedText& text, const Sentence& sentence) {
  return NameScanner(text, sentence).Scan();
}

}  // namespace leadline::judge
