#include "leadline/eval/ann_report.h"

#include <optional>

#include "ann_json.h"
#include "latency_json.h"
#include "leadline/eval/name_list.h"
#include "leadline/simd/level.h"
#include "undefined_values.h"

namespace leadline::eval {
namespace {

Json RecallJson(const AnnRecallSummary& summary) {
  Json object;
  UndefinedValues undefined;
  const auto add = [&](const std::string& name, const MetricValue& value) {
    object[name] = undefined.Of(name, value.defined() ? std::optional(value.value) : std::nullopt,
                                UndefinedReasonName(value.reason));
  };
  const auto add_all = [&](const std::string& name, const RecallSummary& recall) {
    add(name, recall.mean);
    add(name + "_p5", recall.p5);
    add(name + "_min", recall.min);
  };
  add_all("id", summary.id);
  add_all("tie", summary.tie);
  add_all("epsilon", summary.epsilon);
  add_all("inverse_ratio", summary.inverse_ratio);
  object["n_used"] = summary.id.n_used;
  object["n_total"] = summary.id.n_total;
  undefined.AddTo(&object);
  return object;
}

Json FailedQueriesJson(const std::vector<FailedQuery>& failed) {
  Json list = Json::array();
  for (const FailedQuery& query : failed) {
    list.push_back({{"query", query.id}, {"error", query.error}});
  }
  return list;
}

}  // namespace

std::vector<AnnSetting> DefaultSweep(IndexKind kind) {
  using Parameter = AnnSetting::Parameter;
  switch (kind) {
    case IndexKind::kFlat:
      return {{Parameter::kEfSearch, 64}};
    case IndexKind::kIvf:
      return {{Parameter::kNprobe, 1},
              {Parameter::kNprobe, 4},
              {Parameter::kNprobe, 16},
              {Parameter::kNprobe, 64}};
    case IndexKind::kAuto:
    case IndexKind::kHnsw:
      break;
  }
  return {{Parameter::kEfSearch, 16},
          {Parameter::kEfSearch, 32},
          {Parameter::kEfSearch, 64},
          {Parameter::kEfSearch, 128}};
}

Json AnnPointObject(const AnnPoint& point) {
  Json object;
  object[point.setting.name()] = point.setting.value;
  object["recall"] = RecallJson(point.recall);
  object["qps"] = point.qps;
  object["latency_us"] = LatencyJson(point.latency);
  return object;
}

std::string AnnPointJson(const AnnPoint& point) {
  return JsonText(AnnPointObject(point));
}

std::string AnnReportJson(const AnnReport& report) {
  Json object;
  object["points"] = Json::array();
  for (const AnnPoint& point : report.points) {
    object["points"].push_back(AnnPointObject(point));
  }
  object["k"] = report.k;
  object["queries"] = report.queries;
  object["failed_queries"] = FailedQueriesJson(report.points.front().failed);
  object["threads"] = report.threads;
  object["warmup_queries"] = report.warmup;
  object["truth"] = report.truth;
  object["truth_s"] = report.truth_seconds;
  object["filter"] = report.filter;
  object["degraded"] = report.degraded;
  object["sequence"] = report.sequence;
  object["simd"] = simd::CurrentLevel().name;
  return JsonText(object);
}

std::vector<std::string> AnnWarnings(const AnnPoint& point) {
  std::vector<std::string> warnings;
  if (!point.failed.empty()) {
    std::vector<std::string> ids;
    for (const FailedQuery& query : point.failed) {
      ids.push_back(query.id);
    }
    warnings.push_back(std::to_string(ids.size()) +
                       " queries could not be searched and are left out: " + NameList(ids));
  }
  const RecallSummary& id = point.recall.id;
  const size_t alone = id.n_total - id.n_used - point.failed.size();
  if (alone > 0) {
    warnings.push_back(std::to_string(alone) +
                       " queries have no exact neighbour and are left out of recall");
  }
  return warnings;
}

}  // namespace leadline::eval
