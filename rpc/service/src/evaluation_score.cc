#include "evaluation_score.h"

#include <string>
#include <utility>
#include <vector>

#include "evaluation_input.h"
#include "leadline/eval/metrics.h"

namespace leadline::rpc {
namespace {

constexpr char kAllQueries[] = "all";

v1::MeasureValue* AddValue(const std::string& measure, const std::string& query,
                           const eval::MetricValue& value, v1::ScoreResponse* response) {
  v1::MeasureValue* out = response->add_values();
  out->set_measure(measure);
  out->set_query(query);
  if (value.defined()) {
    out->set_value(value.value);
  } else {
    out->set_undefined(std::string(UndefinedReasonName(value.reason)));
  }
  return out;
}

void AddQueries(const eval::ScoreReport& report, v1::ScoreResponse* response) {
  for (const eval::QueryScores& query : report.queries) {
    for (size_t m = 0; m < report.measures.size(); ++m) {
      if (query.values[m].reason != eval::UndefinedReason::kSummaryOnly) {
        AddValue(report.measures[m].name(), query.id, query.values[m], response);
      }
    }
  }
}

void AddMeans(const eval::ScoreReport& report, v1::ScoreResponse* response) {
  for (size_t m = 0; m < report.measures.size(); ++m) {
    const eval::MeanValue& mean = report.means[m];
    v1::MeasureValue* out = AddValue(report.measures[m].name(), kAllQueries, mean.value, response);
    out->set_n_used(mean.n_used);
    out->set_n_total(mean.n_total);
  }
}

void AddCounts(const eval::ScoreCounts& counts, v1::ScoreResponse* response) {
  const std::pair<const char*, size_t> list[] = {
      {"queries_judged", counts.queries_judged},
      {"queries_evaluated", counts.queries_evaluated},
      {"queries_missing", counts.queries_missing},
      {"queries_extra", counts.queries_extra},
      {"queries_without_relevant", counts.queries_without_relevant},
      {"docs_returned", counts.docs_returned},
      {"docs_unjudged", counts.docs_unjudged}};
  for (const auto& [name, count] : list) {
    AddValue(name, kAllQueries, {.value = static_cast<double>(count)}, response);
  }
}

}  // namespace

Status AnswerScore(const v1::ScoreRequest& request, v1::ScoreResponse* response) {
  eval::ScoreOptions options;
  options.rules = ReadRules(request.rules());
  options.queries =
      request.only_returned() ? eval::QuerySet::kOnlyReturned : eval::QuerySet::kAllJudged;
  if (request.has_relevance_level()) {
    options.relevance_level = static_cast<int32_t>(request.relevance_level());
  }
  options.max_docs = request.depth();
  options.judged_only = request.judged_only();
  options.exclude_without_relevant = request.exclude_without_relevant();
  std::vector<eval::Measure> measures = eval::OfficialMeasures();
  if (!request.measures().empty()) {
    LEADLINE_ASSIGN_OR_RETURN(measures, ReadMeasures(request.measures(), {}));
  }
  LEADLINE_ASSIGN_OR_RETURN(const eval::Qrels qrels, ReadJudgments(request.judgments()));
  LEADLINE_ASSIGN_OR_RETURN(const eval::ScoreReport report,
                            eval::Score(ReadResults(request.run()), qrels, measures, options));
  if (request.per_query()) {
    AddQueries(report, response);
  }
  AddMeans(report, response);
  AddCounts(report.counts, response);
  return {};
}

}  // namespace leadline::rpc
