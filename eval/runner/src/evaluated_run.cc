#include "leadline/eval/evaluated_run.h"

#include <unordered_set>
#include <utility>

#include "ann_json.h"
#include "latency_json.h"
#include "leadline/eval/name_list.h"
#include "leadline/eval/shortest_double.h"
#include "undefined_values.h"

namespace leadline::eval {
namespace {

/// The interval of a mean of values of single queries; nullopt for sums and for measures that exist
/// over a query set only, such as geometric means.
std::optional<Interval> IntervalOf(const ScoreReport& scores, size_t measure, uint64_t seed) {
  if (scores.measures[measure].is_count()) {
    return std::nullopt;
  }
  std::vector<double> values;
  values.reserve(scores.queries.size());
  for (const QueryScores& query : scores.queries) {
    if (query.values[measure].defined()) {
      values.push_back(query.values[measure].value);
    }
  }
  return values.empty() ? std::nullopt : std::optional(BootstrapMeanInterval(values, seed));
}

Json MeasuresJson(const EvaluatedRun& evaluated) {
  Json object = Json::object();
  for (size_t m = 0; m < evaluated.scores.measures.size(); ++m) {
    const MeanValue& mean = evaluated.scores.means[m];
    Json entry;
    if (mean.value.defined()) {
      entry["value"] = mean.value.value;
      if (const std::optional<Interval>& interval = evaluated.intervals[m]) {
        entry["lower"] = interval->lower;
        entry["upper"] = interval->upper;
      }
    } else {
      entry["value"] = nullptr;
      entry["undefined"] = UndefinedReasonName(mean.value.reason);
    }
    entry["n_used"] = mean.n_used;
    entry["n_total"] = mean.n_total;
    object[evaluated.scores.measures[m].name()] = std::move(entry);
  }
  return object;
}

Json PinsJson(const RunPins& pins) {
  Json object = Json::object();
  for (const auto& [name, value] : PinList(pins)) {
    if (name == "vector") {
      object["vectors"].push_back(value);
    } else {
      object[name] = value;
    }
  }
  return object;
}

Json CountsJson(const EvaluatedRun& evaluated) {
  const ScoreCounts& counts = evaluated.scores.counts;
  return {{"queries_judged", counts.queries_judged},
          {"queries_returned", counts.queries_returned},
          {"queries_evaluated", counts.queries_evaluated},
          {"queries_missing", counts.queries_missing},
          {"queries_extra", counts.queries_extra},
          {"queries_not_judged", evaluated.queries_not_judged},
          {"queries_failed", evaluated.FailedQueries().size()},
          {"queries_without_relevant", counts.queries_without_relevant},
          {"docs_returned", counts.docs_returned},
          {"docs_unjudged", counts.docs_unjudged}};
}

Json JudgmentsJson(const Qrels& qrels) {
  size_t judgments = 0;
  for (const JudgedQuery& query : qrels.queries) {
    judgments += query.docs.size();
  }
  return {{"hash", HashQrels(qrels)}, {"queries", qrels.queries.size()}, {"judgments", judgments}};
}

Json FailuresJson(const RunResult& run) {
  Json list = Json::array();
  for (const QueryOutcome& query : run.queries) {
    if (!query.error.empty()) {
      list.push_back({{"query", query.id}, {"error", query.error}});
    }
  }
  return list;
}

/// Sets "values", and "undefined" where some of them are null.
void AddValues(const ScoreReport& scores, const QueryScores* query, Json* line) {
  Json values = Json::object();
  UndefinedValues undefined;
  for (size_t m = 0; query != nullptr && m < scores.measures.size(); ++m) {
    const MetricValue& value = query->values[m];
    const std::string name = scores.measures[m].name();
    values[name] = undefined.Of(name, value.defined() ? std::optional(value.value) : std::nullopt,
                                UndefinedReasonName(value.reason));
  }
  (*line)["values"] = std::move(values);
  undefined.AddTo(line);
}

/// A query of the judgments that was not run, so that the lines average to the mean.
Json NotRunJson(const EvaluatedRun& evaluated, const QueryScores& query) {
  Json line = {{"query", query.id}, {"text", ""}};
  AddValues(evaluated.scores, &query, &line);
  line["hits"] = Json::array();
  line["missing"] = true;
  return line;
}

}  // namespace

std::unordered_map<std::string, const QueryScores*> EvaluatedRun::ScoresById() const {
  std::unordered_map<std::string, const QueryScores*> by_id;
  for (const QueryScores& query : scores.queries) {
    by_id.emplace(query.id, &query);
  }
  return by_id;
}

std::unordered_map<std::string, std::map<std::string, int32_t>> EvaluatedRun::JudgmentsById()
    const {
  std::unordered_map<std::string, std::map<std::string, int32_t>> by_id;
  for (const JudgedQuery& query : qrels.queries) {
    std::map<std::string, int32_t>& docs = by_id[query.id];
    for (const JudgedDoc& doc : query.docs) {
      docs.emplace(doc.id, doc.relevance);
    }
  }
  return by_id;
}

std::vector<const QueryScores*> EvaluatedRun::NotRun() const {
  std::unordered_set<std::string> run_ids;
  for (const QueryOutcome& query : run.queries) {
    run_ids.insert(query.id);
  }
  std::vector<const QueryScores*> not_run;
  for (const QueryScores& query : scores.queries) {
    if (!run_ids.contains(query.id)) {
      not_run.push_back(&query);
    }
  }
  return not_run;
}

std::vector<std::string> EvaluatedRun::FailedQueries() const {
  std::vector<std::string> failed;
  for (const QueryOutcome& query : run.queries) {
    if (!query.error.empty()) {
      failed.push_back(query.id);
    }
  }
  return failed;
}

std::vector<std::string> DefaultRunMeasures() {
  return {"ndcg@10", "recall@100", "recip_rank", "judged@10",
          "map",     "P@10",       "recall@10",  "success@10"};
}

size_t KeepJudged(const Qrels& qrels, std::vector<InputQuery>* queries) {
  std::unordered_set<std::string> judged;
  for (const JudgedQuery& query : qrels.queries) {
    judged.insert(query.id);
  }
  const size_t before = queries->size();
  std::erase_if(*queries,
                [&judged](const InputQuery& query) { return !judged.contains(query.id); });
  return before - queries->size();
}

Status ScoreRun(const std::vector<Measure>& measures, const ScoreOptions& options,
                const CancelToken* cancel, EvaluatedRun* evaluated) {
  LEADLINE_ASSIGN_OR_RETURN(
      evaluated->scores, Score(ToRankedRun(evaluated->run), evaluated->qrels, measures, options));
  evaluated->intervals.clear();
  for (size_t m = 0; m < measures.size(); ++m) {
    if (cancel != nullptr && cancel->cancelled()) {
      return CancelledError("stopped while the run was scored");
    }
    evaluated->intervals.push_back(IntervalOf(evaluated->scores, m, evaluated->run.pins.seed));
  }
  return OkStatus();
}

std::vector<std::pair<std::string, std::string>> CountList(const EvaluatedRun& evaluated) {
  const ScoreCounts& counts = evaluated.scores.counts;
  return {{"judged queries", std::to_string(counts.queries_judged)},
          {"of these without results (count as 0)", std::to_string(counts.queries_missing)},
          {"queries without judgments (not run)", std::to_string(evaluated.queries_not_judged)},
          {"queries run without judgments (ignored)", std::to_string(counts.queries_extra)},
          {"queries that could not be searched", std::to_string(evaluated.FailedQueries().size())},
          {"queries with nothing relevant judged", std::to_string(counts.queries_without_relevant)},
          {"documents returned", std::to_string(counts.docs_returned)},
          {"of these not judged", std::to_string(counts.docs_unjudged)}};
}

std::vector<std::string> Warnings(const EvaluatedRun& evaluated, const RunWords& words) {
  std::vector<std::string> warnings;
  const ScoreCounts& counts = evaluated.scores.counts;
  if (counts.queries_missing > 0) {
    warnings.push_back(std::to_string(counts.queries_missing) +
                       " judged queries have no results and count as 0");
  }
  const std::vector<std::string> failed = evaluated.FailedQueries();
  if (!failed.empty()) {
    warnings.push_back(std::to_string(failed.size()) +
                       " queries could not be searched: " + NameList(failed));
  }
  std::vector<std::string> deeper;
  for (const Measure& measure : evaluated.scores.measures) {
    if (measure.cutoff > evaluated.run.pins.k) {
      deeper.push_back(measure.name());
    }
  }
  if (!deeper.empty()) {
    warnings.push_back("searches returned " + std::string(words.limit) + " " +
                       std::to_string(evaluated.run.pins.k) +
                       " results, fewer than these measures look at: " + NameList(deeper));
  }
  if (counts.docs_returned > 0 && counts.docs_unjudged == counts.docs_returned) {
    warnings.push_back(
        "no document that was found is judged: do the qrels name records of this collection? Where "
        "these are chunks, " +
        std::string(words.document_key) + " names their documents");
  }
  if (evaluated.run.degraded) {
    warnings.emplace_back("the database is degraded: some answers came from the store");
  }
  return warnings;
}

std::string RunJson(const EvaluatedRun& evaluated) {
  const RunResult& run = evaluated.run;
  Json object;
  object["leadline_run"] = 1;
  object["hash"] = run.hash;
  object["measures"] = MeasuresJson(evaluated);
  object["judgments"] = JudgmentsJson(evaluated.qrels);
  object["counts"] = CountsJson(evaluated);
  if (run.batch == 1) {
    object["latency_us"] = LatencyJson(run.latency);
  }
  if (!evaluated.ann.empty()) {
    object["ann"] = {{"k", evaluated.ann_k}, {"queries", evaluated.ann_queries}};
    for (const AnnPoint& point : evaluated.ann) {
      object["ann"]["points"].push_back(AnnPointObject(point));
    }
  }
  object["threads"] = run.threads;
  object["batch"] = run.batch;
  object["warmup_queries"] = run.warmup;
  object["wall_s"] = run.wall_seconds;
  object["qps"] =
      run.wall_seconds > 0 ? static_cast<double>(run.queries.size()) / run.wall_seconds : 0.0;
  object["rules"] = evaluated.rules;
  object["degraded"] = run.degraded;
  object["failed_queries"] = FailuresJson(run);
  object["finished_unix_ms"] = evaluated.finished_unix_ms;
  object["pins"] = PinsJson(run.pins);
  return JsonText(object);
}

std::vector<std::string> PerQueryJson(const EvaluatedRun& evaluated) {
  const auto scores = evaluated.ScoresById();
  const auto judgments = evaluated.JudgmentsById();
  std::vector<std::string> lines;
  for (size_t q = 0; q < evaluated.run.queries.size(); ++q) {
    const QueryOutcome& outcome = evaluated.run.queries[q];
    const auto scored = scores.find(outcome.id);
    const auto judged = judgments.find(outcome.id);
    Json hits = Json::array();
    for (const RunHit& hit : outcome.hits) {
      Json entry = {{"id", hit.id}, {"score", ShortestDouble(hit.score)}};
      if (judged != judgments.end() && judged->second.contains(hit.id)) {
        entry["relevance"] = judged->second.at(hit.id);
      }
      hits.push_back(std::move(entry));
    }
    Json line = {{"query", outcome.id}, {"text", evaluated.queries[q].text}};
    AddValues(evaluated.scores, scored == scores.end() ? nullptr : scored->second, &line);
    if (evaluated.run.batch == 1) {
      line["took_us"] = static_cast<double>(outcome.took_ns) / 1e3;
      line["embed_us"] = static_cast<double>(outcome.embed_ns) / 1e3;
    }
    line["hits"] = std::move(hits);
    if (!outcome.error.empty()) {
      line["error"] = outcome.error;
    }
    lines.push_back(JsonText(line));
  }
  for (const QueryScores* query : evaluated.NotRun()) {
    lines.push_back(JsonText(NotRunJson(evaluated, *query)));
  }
  return lines;
}

}  // namespace leadline::eval
