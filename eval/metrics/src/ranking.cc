#include "ranking.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "leadline/core/hash.h"

namespace leadline::eval {
namespace {

/// `first` and `again` have one id.
template <typename Doc>
Status DuplicateDocument(std::string_view where, const std::string& file, const std::string& query,
                         const Doc& first, const Doc& again) {
  std::string message = "document occurs twice in " + std::string(where) + ": ";
  if (!file.empty()) {
    message += "file=" + file + " line=" + std::to_string(again.line) +
               " first_line=" + std::to_string(first.line) + " ";
  }
  return InvalidArgumentError(message + "query=" + query + " document=" + again.id);
}

/// The score as the rules compare it. Conversion of a double beyond float's range is undefined in
/// C++, so it is spelled out.
double ComparedScore(double score, TrecRules rules) {
  if (rules == TrecRules::kTrec10) {
    return score;
  }
  constexpr double kMax = std::numeric_limits<float>::max();
  // Half a unit beyond the largest float rounds to infinity.
  constexpr double kRoundsToInfinity = kMax + 0x1p103;
  if (score >= kRoundsToInfinity) {
    return std::numeric_limits<double>::infinity();
  }
  if (score <= -kRoundsToInfinity) {
    return -std::numeric_limits<double>::infinity();
  }
  return static_cast<double>(static_cast<float>(std::clamp(score, -kMax, kMax)));
}

}  // namespace

size_t Ranking::RelevantIn(size_t cutoff) const {
  if (cutoff == 0 || cutoff >= relevance.size()) {
    return relevant.size();
  }
  const auto end = std::partition_point(relevant.begin(), relevant.end(),
                                        [&](const RelevantAtRank& r) { return r.rank <= cutoff; });
  return static_cast<size_t>(end - relevant.begin());
}

void DocTable::Reset(size_t n) {
  const size_t size = std::bit_ceil(std::max<size_t>(16, 2 * n));
  slots_.assign(size, Slot{});
  mask_ = size - 1;
}

size_t DocTable::Locate(uint64_t hash, std::string_view id) const {
  size_t at = hash & mask_;
  while (slots_[at].index != kAbsent && (slots_[at].hash != hash || slots_[at].id != id)) {
    at = (at + 1) & mask_;
  }
  return at;
}

uint32_t DocTable::Insert(std::string_view id, uint32_t index) {
  const uint64_t hash = Hash64(id);
  Slot& slot = slots_[Locate(hash, id)];
  if (slot.index != kAbsent) {
    return slot.index;
  }
  slot = {hash, id, index};
  return kAbsent;
}

uint32_t DocTable::Find(std::string_view id) const {
  return slots_[Locate(Hash64(id), id)].index;
}

Result<const Ranking*> RankingBuilder::Build(const RankedQuery* run, const JudgedQuery& judged) {
  order_.clear();
  doc_relevance_.clear();
  if (run != nullptr) {
    LEADLINE_RETURN_IF_ERROR(SortRun(*run));
  }
  LEADLINE_RETURN_IF_ERROR(ApplyJudgments(run, judged));
  FillRanking();
  return static_cast<const Ranking*>(&ranking_);
}

Status RankingBuilder::SortRun(const RankedQuery& run) {
  run_docs_.Reset(run.docs.size());
  order_.reserve(run.docs.size());
  for (uint32_t i = 0; i < run.docs.size(); ++i) {
    const ScoredDoc& doc = run.docs[i];
    if (std::isnan(doc.score)) {
      return InvalidArgumentError("score is not a number: query=" + run.id + " document=" + doc.id);
    }
    const uint32_t first = run_docs_.Insert(doc.id, i);
    if (first != DocTable::kAbsent) {
      return DuplicateDocument("the run", run_file_, run.id, run.docs[first], doc);
    }
    order_.push_back({ComparedScore(doc.score, options_.rules), i});
  }
  const auto before = [&run](const Entry& a, const Entry& b) {
    return a.score != b.score ? a.score > b.score : run.docs[a.doc].id > run.docs[b.doc].id;
  };
  // Run files are mostly in rank order already.
  if (!std::is_sorted(order_.begin(), order_.end(), before)) {
    std::sort(order_.begin(), order_.end(), before);
  }
  if (options_.max_docs > 0 && order_.size() > options_.max_docs) {
    order_.resize(options_.max_docs);
  }
  return {};
}

Status RankingBuilder::ApplyJudgments(const RankedQuery* run, const JudgedQuery& judged) {
  ranking_.ideal.clear();
  ranking_.num_relevant = 0;
  ranking_.num_nonrelevant = 0;
  doc_relevance_.assign(run == nullptr ? 0 : run->docs.size(), kNotInPool);
  judged_docs_.Reset(judged.docs.size());
  for (uint32_t i = 0; i < judged.docs.size(); ++i) {
    const JudgedDoc& doc = judged.docs[i];
    const uint32_t first = judged_docs_.Insert(doc.id, i);
    if (first != DocTable::kAbsent) {
      return DuplicateDocument("the judgments", qrels_file_, judged.id, judged.docs[first], doc);
    }
    if (doc.relevance >= options_.relevance_level) {
      ++ranking_.num_relevant;
    } else if (doc.relevance >= 0) {
      ++ranking_.num_nonrelevant;
    }
    if (doc.relevance > 0) {
      ranking_.ideal.push_back(doc.relevance);
    }
    if (run != nullptr) {
      const uint32_t at = run_docs_.Find(doc.id);
      if (at != DocTable::kAbsent) {
        doc_relevance_[at] = doc.relevance < 0 ? kInPoolUnjudged : doc.relevance;
      }
    }
  }
  std::sort(ranking_.ideal.begin(), ranking_.ideal.end(), std::greater<>());
  return {};
}

void RankingBuilder::FillRanking() {
  ranking_.relevance.clear();
  ranking_.relevant.clear();
  ranking_.num_unjudged = 0;
  RelevantAtRank seen;
  for (const Entry& entry : order_) {
    const int32_t relevance = doc_relevance_[entry.doc];
    if (relevance < 0 && options_.judged_only) {
      continue;
    }
    ranking_.relevance.push_back(relevance);
    seen.rank = ranking_.relevance.size();
    if (relevance >= options_.relevance_level) {
      ranking_.relevant.push_back(seen);
    } else if (relevance >= 0) {
      ++seen.nonrelevant_above;
    } else {
      ++ranking_.num_unjudged;
      seen.pool_unjudged_above += relevance == kInPoolUnjudged ? 1 : 0;
    }
  }
}

}  // namespace leadline::eval
