#include <algorithm>
#include <cmath>

#include "ann_points.h"
#include "run_files.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

constexpr size_t kLatencyBuckets = 40;
constexpr size_t kMaxMissed = 20;

eval::ReportMeasure MeasureOf(const eval::EvaluatedRun& evaluated, size_t m) {
  const eval::MeanValue& mean = evaluated.scores.means[m];
  eval::ReportMeasure measure;
  measure.name = evaluated.scores.measures[m].name();
  if (mean.value.defined()) {
    measure.value = mean.value.value;
  }
  measure.undefined_reason = UndefinedReasonName(mean.value.reason);
  if (const std::optional<eval::Interval>& interval = evaluated.intervals[m]) {
    measure.interval = {interval->lower, interval->upper};
  }
  measure.n_used = mean.n_used;
  measure.n_total = mean.n_total;
  return measure;
}

/// Durations of the queries that were searched; the others ended early and say nothing.
std::vector<double> SearchedMicros(const eval::RunResult& run) {
  std::vector<double> micros;
  for (const eval::QueryOutcome& query : run.queries) {
    if (query.error.empty()) {
      micros.push_back(std::max(1.0, static_cast<double>(query.took_ns) / 1e3));
    }
  }
  return micros;
}

/// Buckets of equal width on a logarithmic axis, from the fastest to the slowest query.
std::vector<eval::ReportLatencyBucket> LatencyBuckets(const std::vector<double>& durations) {
  if (durations.empty()) {
    return {};
  }
  const auto [lowest, highest] = std::minmax_element(durations.begin(), durations.end());
  const double low = *lowest;
  const double high = std::max(*highest * 1.0001, low * 1.05);
  const double step = std::log(high / low) / kLatencyBuckets;
  std::vector<eval::ReportLatencyBucket> buckets(kLatencyBuckets);
  for (size_t b = 0; b < buckets.size(); ++b) {
    buckets[b].from_us = low * std::exp(step * static_cast<double>(b));
    buckets[b].to_us = low * std::exp(step * static_cast<double>(b + 1));
  }
  for (const double micros : durations) {
    const auto b = static_cast<size_t>(std::max(0.0, std::log(micros / low) / step));
    ++buckets[std::min(b, buckets.size() - 1)].count;
  }
  return buckets;
}

eval::ReportLatency LatencyOf(const eval::RunResult& run) {
  eval::ReportLatency latency;
  if (run.batch > 1) {
    latency.note = "Not measured: queries were searched " + std::to_string(run.batch) + " a call.";
    return latency;
  }
  const std::vector<double> durations = SearchedMicros(run);
  latency.buckets = LatencyBuckets(durations);
  latency.percentiles_us = {
      {"p50", run.latency.p50_us}, {"p95", run.latency.p95_us}, {"p99", run.latency.p99_us}};
  latency.p99_reliable = run.latency.p99_reliable;
  latency.note = std::to_string(durations.size()) + " queries, " + std::to_string(run.threads) +
                 " at a time, embedding included, after " + std::to_string(run.warmup) +
                 " queries of warm-up that are not counted.";
  return latency;
}

std::vector<std::optional<double>> ValuesOf(const eval::ScoreReport& report,
                                            const eval::QueryScores* scores) {
  std::vector<std::optional<double>> values(report.measures.size());
  for (size_t m = 0; scores != nullptr && m < values.size(); ++m) {
    if (scores->values[m].defined()) {
      values[m] = scores->values[m].value;
    }
  }
  return values;
}

using Judged = std::map<std::string, int32_t>;

void AddMissed(const Judged& not_returned, eval::ReportQuery* query) {
  for (const auto& [id, relevance] : not_returned) {
    if (relevance > 0 && query->missed.size() < kMaxMissed) {
      query->missed.push_back(id);
    }
  }
}

/// Shows the best hits; returns the judged documents that are not among all hits.
Judged AddHits(const eval::EvaluatedRun& evaluated, const eval::QueryOutcome& outcome,
               Judged judged, eval::ReportQuery* query) {
  for (const eval::RunHit& hit : outcome.hits) {
    const auto found = judged.find(hit.id);
    if (query->hits.size() < eval::kMaxReportHits) {
      const auto snippet = evaluated.snippets.find(hit.record);
      query->hits.push_back({hit.id, hit.score,
                             snippet == evaluated.snippets.end() ? "" : snippet->second,
                             found == judged.end() ? std::nullopt : std::optional(found->second)});
    }
    if (found != judged.end()) {
      judged.erase(found);
    }
  }
  return judged;
}

eval::ReportQuery QueryOf(const eval::EvaluatedRun& evaluated, size_t q,
                          const eval::QueryScores* scores, const Judged& judged) {
  const eval::QueryOutcome& outcome = evaluated.run.queries[q];
  eval::ReportQuery query;
  query.id = outcome.id;
  query.text = evaluated.queries[q].text;
  query.note = outcome.error;
  query.took_us = outcome.took_ns / 1000;
  query.values = ValuesOf(evaluated.scores, scores);
  AddMissed(AddHits(evaluated, outcome, judged, &query), &query);
  return query;
}

eval::ReportQuery NotRunQuery(const eval::ScoreReport& report, const eval::QueryScores& scores,
                              const Judged& judged) {
  eval::ReportQuery query;
  query.id = scores.id;
  query.note = "judged, but not in the query file";
  query.missing = true;
  query.values = ValuesOf(report, &scores);
  AddMissed(judged, &query);
  return query;
}

/// Every query that was run, and every judged one that was not.
std::vector<eval::ReportQuery> QueriesOf(const eval::EvaluatedRun& evaluated) {
  const auto scores = evaluated.ScoresById();
  const auto judgments = evaluated.JudgmentsById();
  const auto judged_of = [&judgments](const std::string& id) {
    const auto found = judgments.find(id);
    return found == judgments.end() ? Judged() : found->second;
  };
  std::vector<eval::ReportQuery> queries;
  for (size_t q = 0; q < evaluated.run.queries.size(); ++q) {
    const std::string& id = evaluated.run.queries[q].id;
    const auto scored = scores.find(id);
    queries.push_back(
        QueryOf(evaluated, q, scored == scores.end() ? nullptr : scored->second, judged_of(id)));
  }
  for (const eval::QueryScores* query : evaluated.NotRun()) {
    queries.push_back(NotRunQuery(evaluated.scores, *query, judged_of(query->id)));
  }
  return queries;
}

}  // namespace

eval::ReportInput MakeReport(const eval::EvaluatedRun& evaluated) {
  eval::ReportInput input;
  const eval::RunPins& pins = evaluated.run.pins;
  input.title = pins.collection + ", " + pins.mode + ", k = " + std::to_string(pins.k);
  input.warnings = eval::Warnings(evaluated, kRunWords);
  for (size_t m = 0; m < evaluated.scores.measures.size(); ++m) {
    const eval::Measure& measure = evaluated.scores.measures[m];
    input.query_measures.push_back(measure.name());
    if (!measure.is_count()) {
      input.measures.push_back(MeasureOf(evaluated, m));
    }
  }
  input.higher_is_better =
      evaluated.scores.measures.empty() || evaluated.scores.measures.front().higher_is_better();
  input.queries = QueriesOf(evaluated);
  input.counts = eval::CountList(evaluated);
  input.pins = eval::PinList(pins);
  input.pins.insert(input.pins.begin(), {"hash", evaluated.run.hash});
  input.pins.emplace_back("rules", evaluated.rules);
  input.pins.emplace_back("judgments_hash", eval::HashQrels(evaluated.qrels));
  input.latency = LatencyOf(evaluated.run);
  for (const eval::AnnPoint& point : evaluated.ann) {
    input.ann.push_back(ReportPoint(point));
  }
  input.run_json = eval::RunJson(evaluated);
  return input;
}

}  // namespace leadline::cli
