#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "json_lines.h"
#include "leadline/eval/ann_runner.h"
#include "leadline/eval/bootstrap.h"
#include "leadline/eval/metrics.h"
#include "leadline/eval/query_reader.h"
#include "leadline/eval/runner.h"

namespace leadline::cli {

/// A run with its scores: all that the files of `eval run` are made from.
struct EvaluatedRun {
  eval::RunResult run;
  std::vector<eval::InputQuery> queries;  ///< in the order of run.queries
  eval::Qrels qrels;
  eval::ScoreReport scores;
  std::string rules;
  /// One per measure; nullopt where it is no mean of values of single queries.
  std::vector<std::optional<eval::Interval>> intervals;
  size_t queries_not_judged = 0;    ///< in the query file, left out of the run
  std::vector<eval::AnnPoint> ann;  ///< recall against exact search, where it was measured
  size_t ann_queries = 0;
  size_t ann_k = 0;
  int64_t finished_unix_ms = 0;
  /// Record id -> what to show of it in the report.
  std::unordered_map<std::string, std::string> snippets;

  /// Rows of scores.queries by query id.
  [[nodiscard]] std::unordered_map<std::string, const eval::QueryScores*> ScoresById() const;
  /// Judgments by query id, then document id.
  [[nodiscard]] std::unordered_map<std::string, std::map<std::string, int32_t>> JudgmentsById()
      const;
  /// Judged queries that were not in the query file, by ascending id.
  [[nodiscard]] std::vector<const eval::QueryScores*> NotRun() const;
  /// Ids of the queries that could not be searched.
  [[nodiscard]] std::vector<std::string> FailedQueries() const;
};

/// Scores the run and computes the intervals of the means.
Status ScoreRun(const std::vector<eval::Measure>& measures, const eval::ScoreOptions& options,
                EvaluatedRun* evaluated);

/// run.json: hash, pins, measures with intervals, counts, latency, failed queries.
Json RunJson(const EvaluatedRun& evaluated);
/// What the judgments cover, by name.
std::vector<std::pair<std::string, std::string>> CountList(const EvaluatedRun& evaluated);
/// Things a reader of the numbers must know first; empty where there are none.
std::vector<std::string> Warnings(const EvaluatedRun& evaluated);

}  // namespace leadline::cli
