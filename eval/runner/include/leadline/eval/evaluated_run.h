#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "leadline/eval/ann_runner.h"
#include "leadline/eval/bootstrap.h"
#include "leadline/eval/metrics.h"
#include "leadline/eval/query_reader.h"
#include "leadline/eval/runner.h"

namespace leadline::eval {

/// A run with its scores: all that its reports are made from.
struct EvaluatedRun {
  RunResult run;
  std::vector<InputQuery> queries;  ///< in the order of run.queries
  Qrels qrels;
  ScoreReport scores;
  std::string rules;
  /// One per measure; nullopt where it is no mean of values of single queries.
  std::vector<std::optional<Interval>> intervals;
  size_t queries_not_judged = 0;  ///< in the query file, left out of the run
  std::vector<AnnPoint> ann;      ///< recall against exact search, where it was measured
  size_t ann_queries = 0;
  size_t ann_k = 0;
  int64_t finished_unix_ms = 0;
  /// Record id -> what to show of it in the report.
  std::unordered_map<std::string, std::string> snippets;

  /// Rows of scores.queries by query id.
  [[nodiscard]] std::unordered_map<std::string, const QueryScores*> ScoresById() const;
  /// Judgments by query id, then document id.
  [[nodiscard]] std::unordered_map<std::string, std::map<std::string, int32_t>> JudgmentsById()
      const;
  /// Judged queries that were not in the query file, by ascending id.
  [[nodiscard]] std::vector<const QueryScores*> NotRun() const;
  /// Ids of the queries that could not be searched.
  [[nodiscard]] std::vector<std::string> FailedQueries() const;
};

/// How whoever asked for a run calls its settings; for messages.
struct RunWords {
  std::string_view limit;         ///< how many results a query
  std::string_view document_key;  ///< with the value that chunks made here have
};

/// The measures of a run where nobody chose.
std::vector<std::string> DefaultRunMeasures();

/// Leaves out queries that have no judgments; returns how many.
size_t KeepJudged(const Qrels& qrels, std::vector<InputQuery>* queries);

/// Scores the run and computes the intervals of the means. kCancelled between two measures, those
/// of Score.
Status ScoreRun(const std::vector<Measure>& measures, const ScoreOptions& options,
                const CancelToken* cancel, EvaluatedRun* evaluated);

/// One JSON object on one line: hash, pins, measures with intervals, counts, latency, failed
/// queries.
std::string RunJson(const EvaluatedRun& evaluated);
/// A JSON object for every query: its values, hits with judgments and what they cost; then one for
/// every judged query that was not run, so that they average to the mean. None has a line break.
std::vector<std::string> PerQueryJson(const EvaluatedRun& evaluated);
/// What the judgments cover, by name.
std::vector<std::pair<std::string, std::string>> CountList(const EvaluatedRun& evaluated);
/// Things a reader of the numbers must know first; empty where there are none.
std::vector<std::string> Warnings(const EvaluatedRun& evaluated, const RunWords& words);

}  // namespace leadline::eval
