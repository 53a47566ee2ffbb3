#include "coverage.h"

#include <algorithm>
#include <array>

namespace leadline::judge {

void CoverageMeter::CountWords(std::span<const Term> terms, Coverage* out) {
  ids_.clear();
  weights_.clear();
  double known = 0;
  for (const Term& term : terms) {
    const EvidenceIndex::WordId id = index_.Find(term.key);
    ids_.push_back(id);
    out->weight += term.weight;
    if (id != EvidenceIndex::kUnknownWord) {
      known += term.weight;
      weights_.push_back({id, term.function, term.weight});
    }
  }
  out->document = out->weight > 0 ? known / out->weight : 0;
  std::sort(weights_.begin(), weights_.end(),
            [](const Weighted& a, const Weighted& b) { return a.id < b.id; });
  size_t kept = 0;
  for (const Weighted& next : weights_) {
    if (kept > 0 && weights_[kept - 1].id == next.id) {
      weights_[kept - 1].weight += next.weight;
    } else {
      weights_[kept++] = next;
    }
  }
  weights_.resize(kept);
}

void CoverageMeter::Collect(bool function_words) {
  for (const Weighted& word : weights_) {
    const std::vector<uint32_t>& sentences = index_.SentencesWith(word.id);
    if (!function_words && (word.function || sentences.size() > kMaxPostings)) {
      continue;
    }
    for (size_t i = 0; i < std::min(sentences.size(), kMaxPostings); ++i) {
      const size_t sentence = sentences[i];
      if (shared_[sentence] == 0.0F) {
        touched_.push_back(sentence);
      }
      shared_[sentence] += static_cast<float>(word.weight);
    }
  }
}

std::vector<size_t> CoverageMeter::BestCandidates() {
  Collect(false);
  if (touched_.empty()) {
    Collect(true);
  }
  const size_t count = std::min(touched_.size(), kMaxCandidates);
  const auto better = [this](size_t a, size_t b) {
    return shared_[a] != shared_[b] ? shared_[a] > shared_[b] : a < b;
  };
  std::partial_sort(touched_.begin(), touched_.begin() + static_cast<std::ptrdiff_t>(count),
                    touched_.end(), better);
  std::vector<size_t> best(touched_.begin(), touched_.begin() + static_cast<std::ptrdiff_t>(count));
  for (const size_t sentence : touched_) {
    shared_[sentence] = 0.0F;
  }
  touched_.clear();
  return best;
}

double CoverageMeter::SharedWith(std::span<const size_t> sentences) const {
  std::vector<EvidenceIndex::WordId> present;
  for (const size_t sentence : sentences) {
    const auto words = index_.Words(sentence);
    present.insert(present.end(), words.begin(), words.end());
  }
  std::sort(present.begin(), present.end());
  double shared = 0;
  for (const Weighted& word : weights_) {
    shared += std::binary_search(present.begin(), present.end(), word.id) ? word.weight : 0;
  }
  return shared;
}

double CoverageMeter::CommonOrder(std::span<const Term> terms, size_t sentence) const {
  const auto words = index_.Words(sentence);
  std::vector<double> before(words.size() + 1, 0);
  std::vector<double> row(words.size() + 1, 0);
  for (size_t i = 0; i < terms.size(); ++i) {
    for (size_t j = 0; j < words.size(); ++j) {
      row[j + 1] =
          words[j] == ids_[i] ? before[j] + terms[i].weight : std::max(row[j], before[j + 1]);
    }
    std::swap(row, before);
  }
  return before.back();
}

double CoverageMeter::Pairs(std::span<const Term> terms, double fallback) const {
  std::vector<size_t> content;
  for (size_t i = 0; i < terms.size(); ++i) {
    if (!terms[i].function) {
      content.push_back(i);
    }
  }
  double close = 0;
  double all = 0;
  for (size_t i = 0; i < content.size(); ++i) {
    for (size_t step = 1; step <= kPairSteps && i + step < content.size(); ++step) {
      const size_t a = content[i];
      const size_t b = content[i + step];
      const double weight = (terms[a].weight + terms[b].weight) / static_cast<double>(step);
      all += weight;
      close += index_.Near(ids_[a], ids_[b], kPairReach) ? weight : 0;
    }
  }
  return all > 0 ? close / all : fallback;
}

Coverage CoverageMeter::Measure(std::span<const Term> terms) {
  Coverage out;
  CountWords(terms, &out);
  if (weights_.empty()) {
    return out;
  }
  out.pairs = Pairs(terms, out.document);
  double best_order = -1;
  for (const size_t sentence : BestCandidates()) {
    const double shared = SharedWith(std::array{sentence}) / out.weight;
    const double order = CommonOrder(terms, sentence) / out.weight;
    if (!out.evidence || shared > out.sentence || (shared == out.sentence && order > best_order)) {
      out.evidence = sentence;
      out.sentence = shared;
      best_order = order;
    }
    out.order = std::max(out.order, order);
    out.window = std::max(out.window, shared);
    for (const size_t first : {sentence - 1, sentence}) {
      if (first < index_.size() && first + 1 < index_.size() &&
          index_.context_of(first) == index_.context_of(first + 1)) {
        out.window = std::max(out.window, SharedWith(std::array{first, first + 1}) / out.weight);
      }
    }
  }
  return out;
}

}  // namespace leadline::judge
