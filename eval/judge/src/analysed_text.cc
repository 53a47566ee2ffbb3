#include "analysed_text.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "citation_marks.h"
#include "common_words.h"
#include "leadline/text/sentences.h"
#include "leadline/text/utf8.h"
#include "number_words.h"

namespace leadline::judge {
namespace {

// Thai, Lao, Burmese and Khmer write no endings, and their dictionary words are short.
bool IsSoutheastAsian(char32_t rune) {
  return (rune >= 0x0E00 && rune <= 0x0EFF) || (rune >= 0x1000 && rune <= 0x109F) ||
         (rune >= 0x1780 && rune <= 0x17FF);
}

bool HasDigit(std::string_view word) {
  return std::any_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view WithoutPossessive(std::string_view word) {
  for (const std::string_view ending : {std::string_view("'s"), std::string_view("\u2019s")}) {
    if (word.size() > ending.size() && word.ends_with(ending)) {
      return word.substr(0, word.size() - ending.size());
    }
  }
  return word;
}

// Takes off the plural s, which the cut after kKeyRunes leaves on short words ("cafes"). Other
// endings of short words stay: taking them off as well did no better on the sets of
// docs/groundedness.md.
std::string_view WithoutPlural(std::string_view word) {
  constexpr size_t kMinPlural = 4;
  const bool plural = word.size() >= kMinPlural && word.ends_with('s') && !word.ends_with("ss") &&
                      !word.ends_with("us") && !word.ends_with("is");
  return plural ? word.substr(0, word.size() - 1) : word;
}

std::string_view FirstRunes(std::string_view word, size_t count) {
  size_t at = 0;
  for (size_t i = 0; i < count && at < word.size(); ++i) {
    at += text::DecodeRune(word, at).size;
  }
  return word.substr(0, at);
}

// Takes out the words of citation marks: they are no claims.
void LeaveOutMarks(std::string_view text, std::vector<text::WordSpan>* words) {
  const std::vector<CitationMark> marks = FindCitationMarks(text);
  size_t next = 0;
  std::erase_if(*words, [&](const text::WordSpan& word) {
    while (next < marks.size() && marks[next].end <= word.begin) {
      ++next;
    }
    return next < marks.size() && marks[next].begin <= word.begin;
  });
}

// Tells whether a sentence ends after word `at`, with a full stop of its own between spaces:
// "family . the woman", as tokenised corpora write, with and without capitals.
bool EndsAfter(const AnalysedText& text, size_t at) {
  return text.Gap(at).starts_with(" . ");
}

// Adds the sentence, cut after each kMaxSentenceWords words.
void AddSentence(Sentence sentence, AnalysedText* out) {
  while (sentence.last_word - sentence.first_word > kMaxSentenceWords) {
    Sentence head = sentence;
    head.last_word = sentence.first_word + kMaxSentenceWords;
    head.end = out->words[head.last_word - 1].end;
    sentence.first_word = head.last_word;
    sentence.begin = out->words[sentence.first_word].begin;
    out->sentences.push_back(head);
  }
  if (sentence.last_word > sentence.first_word) {
    out->sentences.push_back(sentence);
  }
}

}  // namespace

Term MakeTerm(std::string_view folded, text::WordKind kind) {
  const std::string_view word = WithoutPossessive(folded);
  const WordWeight weight = WeightOf(word);
  Term term{std::string(word), weight.weight, weight.function};
  if (const std::optional<double> number = ParseNumberWord(word)) {
    term.key = FormatNumber(*number);
    return term;
  }
  if (kind == text::WordKind::kLetters && !HasDigit(word) &&
      !IsSoutheastAsian(text::DecodeRune(word, 0).rune)) {
    term.key = FirstRunes(WithoutPlural(word), kKeyRunes);
  }
  return term;
}

AnalysedText Analyse(std::string_view text, CitationMarks marks) {
  AnalysedText out;
  out.text = text;
  out.words = text::SplitWords(text);
  if (marks == CitationMarks::kAreLeftOut) {
    LeaveOutMarks(text, &out.words);
  }
  out.terms.reserve(out.words.size());
  for (const text::WordSpan& word : out.words) {
    out.terms.push_back(MakeTerm(word.folded, word.kind));
  }
  size_t next = 0;
  for (const text::SentenceSpan& span : text::SplitSentences(text)) {
    Sentence sentence{span.begin, span.end, next, next};
    while (next < out.words.size() && out.words[next].begin < span.end) {
      ++next;
      const bool more = next < out.words.size() && out.words[next].begin < span.end;
      if (more && EndsAfter(out, next - 1)) {
        sentence.last_word = next;
        sentence.end = out.text.find('.', out.words[next - 1].end) + 1;
        AddSentence(sentence, &out);
        sentence = {out.words[next].begin, span.end, next, next};
      }
    }
    sentence.last_word = next;
    AddSentence(sentence, &out);
  }
  return out;
}

}  // namespace leadline::judge
