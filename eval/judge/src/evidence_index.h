#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "analysed_text.h"
#include "quantity_index.h"

namespace leadline::judge {

/// Contexts prepared for look-up: which sentences have a word, which words stand close together,
/// which numbers occur. Immutable after construction; borrows the contexts.
class EvidenceIndex {
 public:
  using WordId = uint32_t;
  static constexpr WordId kUnknownWord = UINT32_MAX;

  explicit EvidenceIndex(std::span<const std::string> contexts);

  /// Number of sentences, all contexts together.
  [[nodiscard]] size_t size() const { return places_.size(); }

  [[nodiscard]] size_t context_of(size_t sentence) const { return places_[sentence].context; }

  [[nodiscard]] const AnalysedText& text_of(size_t sentence) const {
    return texts_[places_[sentence].context];
  }

  [[nodiscard]] const Sentence& at(size_t sentence) const {
    const Place& place = places_[sentence];
    return texts_[place.context].sentences[place.sentence];
  }

  /// Id of a term key, or kUnknownWord where no context has it.
  [[nodiscard]] WordId Find(const std::string& key) const;

  /// Ids of the words of a sentence, in order.
  [[nodiscard]] std::span<const WordId> Words(size_t sentence) const;

  /// Sentences that have the word, ascending, each once.
  [[nodiscard]] const std::vector<uint32_t>& SentencesWith(WordId word) const {
    return postings_[word];
  }

  /// Tells whether two content words occur within `reach` content words of each other. Looks at the
  /// first kMaxPositions places of the rarer word.
  [[nodiscard]] bool Near(WordId a, WordId b, uint32_t reach) const;

  /// Tells whether some context agrees with the quantity.
  [[nodiscard]] bool HasQuantity(const Quantity& stated) const {
    return quantities_.HasAgreeing(stated);
  }

 private:
  static constexpr size_t kMaxPositions = 256;

  struct Place {
    size_t context = 0;
    size_t sentence = 0;  // within the context
  };

  void AddContext(size_t context, uint32_t* position);

  std::vector<AnalysedText> texts_;
  std::vector<Place> places_;
  std::unordered_map<std::string_view, WordId> ids_;  // views into texts_
  std::vector<std::vector<WordId>> words_;            // per context, parallel to its words
  std::vector<std::vector<uint32_t>> postings_;
  std::vector<std::vector<uint32_t>> positions_;  // of content words, counted over all contexts
  QuantityIndex quantities_;
};

}  // namespace leadline::judge
