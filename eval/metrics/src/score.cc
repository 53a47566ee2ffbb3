#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "leadline/eval/metrics.h"
#include "query_measures.h"
#include "ranking.h"

namespace leadline::eval {
namespace {

bool IsGeometric(const Measure& measure) {
  return measure.kind == MeasureKind::kGeometricMap || measure.kind == MeasureKind::kGeometricBpref;
}

bool IsSummaryOnly(const Measure& measure) {
  return IsGeometric(measure) || measure.kind == MeasureKind::kNumQueries;
}

/// One measure's running sum over queries.
struct Accumulator {
  double sum = 0;
  size_t n_used = 0;
};

MeanValue Summarise(const Measure& measure, const Accumulator& acc, size_t n_total) {
  MeanValue mean{.value = {}, .n_used = acc.n_used, .n_total = n_total};
  if (measure.is_count()) {
    mean.value.value = acc.sum;
    return mean;
  }
  if (acc.n_used == 0) {
    mean.value.reason = UndefinedReason::kNoQueries;
    return mean;
  }
  mean.value.value = acc.sum / static_cast<double>(acc.n_used);
  if (IsGeometric(measure)) {
    mean.value.value = std::exp(mean.value.value);
  }
  return mean;
}

UndefinedReason ReasonFor(const Measure& measure, const Ranking& ranking,
                          const ScoreOptions& options) {
  if (measure.is_count()) {
    return UndefinedReason::kDefined;
  }
  if (options.exclude_without_relevant && ranking.num_relevant == 0) {
    return UndefinedReason::kNoRelevant;
  }
  if (measure.kind == MeasureKind::kJudged && ranking.returned() == 0) {
    return UndefinedReason::kNothingReturned;
  }
  return UndefinedReason::kDefined;
}

template <typename Query>
Result<std::vector<const Query*>> SortById(const std::vector<Query>& queries,
                                           std::string_view where) {
  std::vector<const Query*> sorted;
  sorted.reserve(queries.size());
  for (const Query& query : queries) {
    sorted.push_back(&query);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Query* a, const Query* b) { return a->id < b->id; });
  const auto twice = std::adjacent_find(
      sorted.begin(), sorted.end(), [](const Query* a, const Query* b) { return a->id == b->id; });
  if (twice != sorted.end()) {
    return InvalidArgumentError("query occurs twice in " + std::string(where) +
                                ": query=" + (*twice)->id);
  }
  return sorted;
}

/// Evaluates query after query and gathers the report.
class Scorer {
 public:
  Scorer(std::span<const Measure> measures, const ScoreOptions& options, const RankedRun& run,
         const Qrels& qrels)
      : options_(options), builder_(options, run.file, qrels.file), sums_(measures.size()) {
    report_.measures.assign(measures.begin(), measures.end());
  }

  Status AddQuery(const RankedQuery* run, const JudgedQuery& judged) {
    LEADLINE_ASSIGN_OR_RETURN(const Ranking* ranking, builder_.Build(run, judged));
    QueryScores scores{.id = judged.id, .missing = run == nullptr, .values = {}};
    scores.values.reserve(sums_.size());
    for (size_t m = 0; m < sums_.size(); ++m) {
      scores.values.push_back(AddValue(m, *ranking));
    }
    report_.queries.push_back(std::move(scores));
    ScoreCounts& counts = report_.counts;
    ++counts.queries_evaluated;
    counts.queries_without_relevant += ranking->num_relevant == 0 ? 1 : 0;
    counts.docs_returned += ranking->returned();
    counts.docs_unjudged += ranking->num_unjudged;
    return {};
  }

  ScoreReport Finish() {
    for (size_t m = 0; m < sums_.size(); ++m) {
      report_.means.push_back(
          Summarise(report_.measures[m], sums_[m], report_.counts.queries_evaluated));
    }
    return std::move(report_);
  }

  ScoreCounts& counts() { return report_.counts; }

 private:
  MetricValue AddValue(size_t m, const Ranking& ranking) {
    const Measure& measure = report_.measures[m];
    MetricValue value;
    value.reason = ReasonFor(measure, ranking, options_);
    if (!value.defined()) {
      return value;
    }
    value.value = Contribution(measure, ranking, options_.rules);
    sums_[m].sum += value.value;
    ++sums_[m].n_used;
    if (IsSummaryOnly(measure)) {
      return {.value = 0, .reason = UndefinedReason::kSummaryOnly};
    }
    return value;
  }

  const ScoreOptions options_;
  RankingBuilder builder_;
  std::vector<Accumulator> sums_;
  ScoreReport report_;
};

}  // namespace

std::string_view UndefinedReasonName(UndefinedReason reason) {
  switch (reason) {
    case UndefinedReason::kDefined:
      return "defined";
    case UndefinedReason::kNoRelevant:
      return "no_relevant";
    case UndefinedReason::kNothingReturned:
      return "nothing_returned";
    case UndefinedReason::kSummaryOnly:
      return "summary_only";
    case UndefinedReason::kNoQueries:
      return "no_queries";
    case UndefinedReason::kNoNeighbors:
      return "no_neighbors";
    case UndefinedReason::kNoScores:
      return "no_scores";
  }
  return "unknown";
}

Result<ScoreReport> Score(const RankedRun& run, const Qrels& qrels,
                          std::span<const Measure> measures, const ScoreOptions& options) {
  if (options.relevance_level < 1) {
    return InvalidFieldError("relevance level out of range", "relevance_level",
                             std::to_string(options.relevance_level), "[1, 2147483647]");
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<const RankedQuery*> returned,
                            SortById(run.queries, "the run"));
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<const JudgedQuery*> judged,
                            SortById(qrels.queries, "the judgments"));
  Scorer scorer(measures, options, run, qrels);
  ScoreCounts& counts = scorer.counts();
  counts.queries_judged = judged.size();
  counts.queries_returned = returned.size();
  size_t at = 0;
  for (const JudgedQuery* query : judged) {
    while (at < returned.size() && returned[at]->id < query->id) {
      ++at;
      ++counts.queries_extra;
    }
    const bool found = at < returned.size() && returned[at]->id == query->id;
    counts.queries_missing += found ? 0 : 1;
    if (found || options.queries == QuerySet::kAllJudged) {
      LEADLINE_RETURN_IF_ERROR(scorer.AddQuery(found ? returned[at] : nullptr, *query));
    }
    at += found ? 1 : 0;
  }
  counts.queries_extra += returned.size() - at;
  return scorer.Finish();
}

}  // namespace leadline::eval
