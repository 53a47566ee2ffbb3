#include <algorithm>
#include <cmath>

#include "ann_points.h"
#include "run_files.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

constexpr size_t kLatencyBuckets = 40;
constexpr size_t kMaxMissed = 20;

eval::ReportMeasure MeasureOf(const EvaluatedRun& evaluated, size_t m) {
  const eval::MeanValue& mean = evaluated.scores.means[m];
  eval::ReportMeasure measure;
  measure.name = evaluated.scores.measures[m].name();
  if (mean.value.defined()) {
    measure.value = mean.value.value;
  }
  measure.undefined_reason = UndefinedReasonName(mean.value.reason);
  measure.lower = evaluated.intervals[m].lower;
  measure.upper = evaluated.intervals[m].upper;
  measure.n_used = mean.n_used;
  measure.n_total = mean.n_total;
  return measure;
}

/// Buckets of equal width on a logarithmic axis, from the fastest to the slowest query.
std::vector<eval::ReportLatencyBucket> LatencyBuckets(const eval::RunResult& run) {
  double low = 1e18;
  double high = 0;
  for (const eval::QueryOutcome& query : run.queries) {
    const double micros = std::max(1.0, static_cast<double>(query.took_ns) / 1e3);
    low = std::min(low, micros);
    high = std::max(high, micros);
  }
  if (high <= 0) {
    return {};
  }
  high = std::max(high * 1.0001, low * 1.05);
  const double step = std::log(high / low) / kLatencyBuckets;
  std::vector<eval::ReportLatencyBucket> buckets(kLatencyBuckets);
  for (size_t b = 0; b < buckets.size(); ++b) {
    buckets[b].from_us = low * std::exp(step * static_cast<double>(b));
    buckets[b].to_us = low * std::exp(step * static_cast<double>(b + 1));
  }
  for (const eval::QueryOutcome& query : run.queries) {
    const double micros = std::max(1.0, static_cast<double>(query.took_ns) / 1e3);
    const auto b = static_cast<size_t>(std::max(0.0, std::log(micros / low) / step));
    ++buckets[std::min(b, buckets.size() - 1)].count;
  }
  return buckets;
}

eval::ReportLatency LatencyOf(const eval::RunResult& run) {
  eval::ReportLatency latency;
  latency.buckets = LatencyBuckets(run);
  latency.percentiles_us = {
      {"p50", run.latency.p50_us}, {"p95", run.latency.p95_us}, {"p99", run.latency.p99_us}};
  latency.note = std::to_string(run.queries.size()) + " queries, " + std::to_string(run.threads) +
                 " at a time, embedding included, after " + std::to_string(run.warmup) +
                 " queries of warm-up that are not counted.";
  if (!run.latency.p99_reliable) {
    latency.note += " Fewer than 1,000 samples: p99 is a rough estimate.";
  }
  return latency;
}

eval::ReportQuery QueryOf(const EvaluatedRun& evaluated, size_t q, const eval::QueryScores* scores,
                          const std::map<std::string, int32_t>* judged) {
  const eval::QueryOutcome& outcome = evaluated.run.queries[q];
  eval::ReportQuery query;
  query.id = outcome.id;
  query.text = evaluated.queries[q].text;
  query.note = outcome.error;
  query.took_us = outcome.took_ns / 1000;
  for (size_t m = 0; m < evaluated.scores.measures.size(); ++m) {
    query.values.push_back(scores != nullptr && scores->values[m].defined()
                               ? std::optional<double>(scores->values[m].value)
                               : std::nullopt);
  }
  std::map<std::string, int32_t> left =
      judged != nullptr ? *judged : std::map<std::string, int32_t>();
  for (const eval::RunHit& hit : outcome.hits) {
    const auto found = left.find(hit.id);
    if (query.hits.size() < eval::kMaxReportHits) {
      const auto snippet = evaluated.snippets.find(hit.id);
      query.hits.push_back({hit.id, hit.score,
                            snippet == evaluated.snippets.end() ? "" : snippet->second,
                            found == left.end() ? std::nullopt : std::optional(found->second)});
    }
    if (found != left.end()) {
      left.erase(found);
    }
  }
  for (const auto& [id, relevance] : left) {
    if (relevance > 0 && query.missed.size() < kMaxMissed) {
      query.missed.push_back(id);
    }
  }
  return query;
}

}  // namespace

eval::ReportInput MakeReport(const EvaluatedRun& evaluated) {
  eval::ReportInput input;
  const eval::RunPins& pins = evaluated.run.pins;
  input.title = pins.collection + ", " + pins.mode + ", k = " + std::to_string(pins.k);
  input.warnings = Warnings(evaluated);
  for (size_t m = 0; m < evaluated.scores.measures.size(); ++m) {
    const eval::Measure& measure = evaluated.scores.measures[m];
    input.query_measures.push_back(measure.name());
    if (!measure.is_count()) {
      input.measures.push_back(MeasureOf(evaluated, m));
    }
  }
  const auto scores = evaluated.ScoresById();
  const auto judgments = evaluated.JudgmentsById();
  for (size_t q = 0; q < evaluated.run.queries.size(); ++q) {
    const std::string& id = evaluated.run.queries[q].id;
    const auto scored = scores.find(id);
    const auto judged = judgments.find(id);
    input.queries.push_back(QueryOf(evaluated, q, scored == scores.end() ? nullptr : scored->second,
                                    judged == judgments.end() ? nullptr : &judged->second));
  }
  input.counts = CountList(evaluated);
  input.pins = eval::PinList(pins);
  input.pins.insert(input.pins.begin(), {"hash", evaluated.run.hash});
  input.pins.emplace_back("rules", evaluated.rules);
  input.latency = LatencyOf(evaluated.run);
  for (const eval::AnnPoint& point : evaluated.ann) {
    input.ann.push_back(ReportPoint(point));
  }
  input.run_json = JsonText(RunJson(evaluated));
  return input;
}

}  // namespace leadline::cli
