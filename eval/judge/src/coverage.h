#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "evidence_index.h"

namespace leadline::judge {

/// How much of a response sentence the contexts have. Shares are by word weight, in [0, 1].
struct Coverage {
  double document = 0;  ///< words that occur in any context
  double sentence = 0;  ///< words in the best context sentence
  double window = 0;    ///< words in the best two neighbouring sentences of one context
  double pairs = 0;     ///< pairs of a content word and the next three that stand close together
  double order = 0;     ///< longest common subsequence with one context sentence
  double weight = 0;    ///< weight of all words of the response sentence
  std::optional<size_t> evidence;  ///< the best context sentence; none: no word in common
};

/// Measures response sentences one after the other against one index. Thread-compatible.
class CoverageMeter {
 public:
  explicit CoverageMeter(const EvidenceIndex& index) : index_(index), shared_(index.size(), 0.0F) {}

  /// Cost: O(words * postings, at most kMaxPostings a word) plus a bounded re-reading of the best
  /// sentences.
  Coverage Measure(std::span<const Term> terms);

 private:
  static constexpr size_t kMaxPostings = 4096;  // a word in more sentences does not choose between
                                                // them unless it is all there is
  static constexpr size_t kMaxCandidates = 8;   // sentences compared word by word
  static constexpr uint32_t kPairReach = 8;     // content words
  static constexpr size_t kPairSteps = 3;

  void CountWords(std::span<const Term> terms, Coverage* out);
  void Collect(bool function_words);
  std::vector<size_t> BestCandidates();
  double Pairs(std::span<const Term> terms, double fallback) const;
  double SharedWith(std::span<const size_t> sentences) const;
  double CommonOrder(std::span<const Term> terms, size_t sentence) const;

  const EvidenceIndex& index_;
  std::vector<EvidenceIndex::WordId> ids_;  // of the terms, in order
  std::vector<float> shared_;               // per context sentence; zero between calls
  std::vector<size_t> touched_;

  struct Weighted {
    EvidenceIndex::WordId id;
    bool function;
    double weight;  // all occurrences together
  };

  std::vector<Weighted> weights_;  // distinct known words, by id
};

}  // namespace leadline::judge
