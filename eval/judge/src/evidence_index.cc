#include "evidence_index.h"

#include <algorithm>
#include <utility>

namespace leadline::judge {
namespace {

// Content words of different sentences are this many positions further apart, of different contexts
// out of reach.
constexpr uint32_t kSentenceGap = 2;
constexpr uint32_t kContextGap = 1000;

}  // namespace

EvidenceIndex::EvidenceIndex(std::span<const std::string> contexts) {
  // Keys are borrowed from texts_, so it is complete before the first look-up.
  texts_.reserve(contexts.size());
  for (const std::string& context : contexts) {
    texts_.push_back(Analyse(context, CitationMarks::kAreWords));
  }
  uint32_t position = 0;
  words_.resize(texts_.size());
  for (size_t i = 0; i < texts_.size(); ++i) {
    AddContext(i, &position);
    position += kContextGap;
  }
  quantities_.Finish();
}

void EvidenceIndex::AddContext(size_t context, uint32_t* position) {
  const AnalysedText& text = texts_[context];
  words_[context].resize(text.words.size(), kUnknownWord);
  for (size_t s = 0; s < text.sentences.size(); ++s) {
    const Sentence& sentence = text.sentences[s];
    const auto number = static_cast<uint32_t>(places_.size());
    places_.push_back({context, s});
    for (size_t i = sentence.first_word; i < sentence.last_word; ++i) {
      const Term& term = text.terms[i];
      const auto [found, added] = ids_.emplace(term.key, static_cast<WordId>(ids_.size()));
      if (added) {
        postings_.emplace_back();
        positions_.emplace_back();
      }
      const WordId id = found->second;
      words_[context][i] = id;
      if (postings_[id].empty() || postings_[id].back() != number) {
        postings_[id].push_back(number);
      }
      if (!term.function) {
        positions_[id].push_back((*position)++);
      }
    }
    *position += kSentenceGap;
    for (const Quantity& quantity : FindQuantities(text, sentence.first_word, sentence.last_word)) {
      quantities_.Add(quantity);
    }
  }
}

EvidenceIndex::WordId EvidenceIndex::Find(const std::string& key) const {
  const auto found = ids_.find(key);
  return found == ids_.end() ? kUnknownWord : found->second;
}

std::span<const EvidenceIndex::WordId> EvidenceIndex::Words(size_t sentence) const {
  const Sentence& place = at(sentence);
  return std::span(words_[context_of(sentence)])
      .subspan(place.first_word, place.last_word - place.first_word);
}

bool EvidenceIndex::Near(WordId a, WordId b, uint32_t reach) const {
  if (a == kUnknownWord || b == kUnknownWord) {
    return false;
  }
  const bool a_is_rarer = positions_[a].size() <= positions_[b].size();
  const std::vector<uint32_t>& rare = positions_[a_is_rarer ? a : b];
  const std::vector<uint32_t>& other = positions_[a_is_rarer ? b : a];
  for (size_t i = 0; i < std::min(rare.size(), kMaxPositions); ++i) {
    const uint32_t from = rare[i] > reach ? rare[i] - reach : 0;
    const auto next = std::lower_bound(other.begin(), other.end(), from);
    if (next != other.end() && *next <= rare[i] + reach) {
      return true;
    }
  }
  return false;
}

}  // namespace leadline::judge
