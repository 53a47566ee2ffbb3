#pragma once

/// One query's ranking as the measures see it: relevance by rank and what is derived from it once.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "leadline/core/status.h"
#include "leadline/eval/metrics.h"

namespace leadline::eval {

inline constexpr int32_t kNotInPool = -1;
inline constexpr int32_t kInPoolUnjudged = -2;

struct RelevantAtRank {
  size_t rank = 0;                 ///< from 1
  size_t nonrelevant_above = 0;    ///< judged ones
  size_t pool_unjudged_above = 0;  ///< in the pool, not judged
};

struct Ranking {
  std::vector<int32_t> relevance;        ///< by rank: grade, kNotInPool or kInPoolUnjudged
  std::vector<RelevantAtRank> relevant;  ///< returned relevant documents, by rank
  std::vector<int32_t> ideal;            ///< judged grades above 0, highest first
  size_t num_relevant = 0;               ///< R: judged relevant, returned or not
  size_t num_nonrelevant = 0;            ///< judged not relevant, returned or not
  size_t num_unjudged = 0;               ///< returned, not judged

  [[nodiscard]] size_t returned() const { return relevance.size(); }

  /// Relevant documents in the first `cutoff` ranks; 0 means all ranks.
  [[nodiscard]] size_t RelevantIn(size_t cutoff) const;
};

/// Finds documents by id within one query. Keeps its memory between queries. Thread-compatible.
class DocTable {
 public:
  static constexpr uint32_t kAbsent = UINT32_MAX;

  /// Forgets everything and makes room for `n` documents.
  void Reset(size_t n);
  /// Adds document number `index`; returns the number of one with the same id, or kAbsent.
  uint32_t Insert(std::string_view id, uint32_t index);
  [[nodiscard]] uint32_t Find(std::string_view id) const;

 private:
  struct Slot {
    uint64_t hash = 0;
    std::string_view id;
    uint32_t index = kAbsent;
  };

  [[nodiscard]] size_t Locate(uint64_t hash, std::string_view id) const;

  std::vector<Slot> slots_;  // open addressing, size a power of two, at most half full
  size_t mask_ = 0;
};

/// Builds rankings; keeps its buffers between queries. Thread-compatible.
class RankingBuilder {
 public:
  /// The files are named in messages; empty where there are none.
  RankingBuilder(const ScoreOptions& options, std::string run_file, std::string qrels_file)
      : options_(options), run_file_(std::move(run_file)), qrels_file_(std::move(qrels_file)) {}

  /// `run` may be null: nothing returned. The result lives until the next call.
  /// Errors: kInvalidArgument for a document that occurs twice, a NaN score.
  Result<const Ranking*> Build(const RankedQuery* run, const JudgedQuery& judged);

 private:
  struct Entry {
    double score;
    uint32_t doc;
  };

  Status SortRun(const RankedQuery& run);
  Status ApplyJudgments(const RankedQuery* run, const JudgedQuery& judged);
  void FillRanking();

  const ScoreOptions options_;
  const std::string run_file_;
  const std::string qrels_file_;
  Ranking ranking_;
  std::vector<Entry> order_;
  std::vector<int32_t> doc_relevance_;  // by position in the run
  DocTable run_docs_;
  DocTable judged_docs_;
};

}  // namespace leadline::eval
