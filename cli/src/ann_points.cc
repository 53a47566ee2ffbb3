#include "ann_points.h"

#include "arguments.h"
#include "latency_json.h"
#include "name_list.h"
#include "table_printer.h"
#include "undefined_values.h"

namespace leadline::cli {
namespace {

Json RecallJson(const eval::AnnRecallSummary& summary) {
  Json object;
  UndefinedValues undefined;
  const auto add = [&](const std::string& name, const eval::MetricValue& value) {
    object[name] = undefined.Of(name, value.defined() ? std::optional(value.value) : std::nullopt,
                                UndefinedReasonName(value.reason));
  };
  const auto add_all = [&](const std::string& name, const eval::RecallSummary& recall) {
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

std::string ValueText(const eval::MetricValue& value) {
  return value.defined() ? FormatFixed(value.value, 4) : "undefined";
}

}  // namespace

Result<std::vector<eval::AnnSetting>> ParseSweep(const std::string& text) {
  static constexpr std::string_view kForms = "ef_search=N,..|nprobe=N,..";
  const size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  eval::AnnSetting setting;
  uint64_t max = kMaxEfSearch;
  if (name == "nprobe") {
    setting.parameter = eval::AnnSetting::Parameter::kNprobe;
    max = kMaxNprobe;
  } else if (name != "ef_search") {
    return InvalidFieldError("unknown sweep", "--sweep", text, kForms);
  }
  std::vector<eval::AnnSetting> settings;
  const std::string values = equals == std::string::npos ? "" : text.substr(equals + 1);
  for (const std::string& value : SplitList(values, ',')) {
    LEADLINE_ASSIGN_OR_RETURN(setting.value, ParseNumber("--sweep " + name, value, 1, max));
    settings.push_back(setting);
  }
  if (settings.empty()) {
    return InvalidFieldError("the sweep has no values", "--sweep", text, kForms);
  }
  return settings;
}

std::vector<eval::AnnSetting> DefaultSweep(IndexKind kind) {
  using Parameter = eval::AnnSetting::Parameter;
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

Json AnnPointJson(const eval::AnnPoint& point) {
  Json object;
  object[point.setting.name()] = point.setting.value;
  object["recall"] = RecallJson(point.recall);
  object["qps"] = point.qps;
  object["latency_us"] = LatencyJson(point.latency);
  return object;
}

void PrintAnnTable(const std::vector<eval::AnnPoint>& points, Console& console) {
  TablePrinter table({"setting", "queries", "recall id", "p5", "min", "tie", "epsilon",
                      "inverse ratio", "queries/s", "p50 us", "p95 us", "p99 us"});
  bool rough = false;
  for (const eval::AnnPoint& point : points) {
    const char* mark = point.latency.p99_reliable ? "" : "~";
    rough = rough || !point.latency.p99_reliable;
    const eval::RecallSummary& id = point.recall.id;
    table.Row({point.setting.name() + " " + std::to_string(point.setting.value),
               std::to_string(id.n_used) + "/" + std::to_string(id.n_total), ValueText(id.mean),
               ValueText(id.p5), ValueText(id.min), ValueText(point.recall.tie.mean),
               ValueText(point.recall.epsilon.mean), ValueText(point.recall.inverse_ratio.mean),
               FormatFixed(point.qps, 0), FormatFixed(point.latency.p50_us, 1),
               FormatFixed(point.latency.p95_us, 1), mark + FormatFixed(point.latency.p99_us, 1)});
  }
  table.Print(console);
  if (rough) {
    console.Line("~ too few samples for a percentile this high (n<1000)");
  }
}

std::vector<std::string> AnnWarnings(const eval::AnnPoint& point) {
  std::vector<std::string> warnings;
  if (!point.failed.empty()) {
    std::vector<std::string> ids;
    for (const eval::FailedQuery& query : point.failed) {
      ids.push_back(query.id);
    }
    warnings.push_back(std::to_string(ids.size()) +
                       " queries could not be searched and are left out: " + NameList(ids));
  }
  const eval::RecallSummary& id = point.recall.id;
  const size_t alone = id.n_total - id.n_used - point.failed.size();
  if (alone > 0) {
    warnings.push_back(std::to_string(alone) +
                       " queries have no exact neighbour and are left out of recall");
  }
  return warnings;
}

Json FailedQueriesJson(const std::vector<eval::FailedQuery>& failed) {
  Json list = Json::array();
  for (const eval::FailedQuery& query : failed) {
    list.push_back({{"query", query.id}, {"error", query.error}});
  }
  return list;
}

eval::ReportAnnPoint ReportPoint(const eval::AnnPoint& point) {
  const eval::MetricValue& recall = point.recall.id.mean;
  return {.label = point.setting.name() + " " + std::to_string(point.setting.value),
          .recall = recall.defined() ? std::optional(recall.value) : std::nullopt,
          .p50_us = point.latency.p50_us,
          .p99_us = point.latency.p99_us,
          .qps = point.qps,
          .p99_reliable = point.latency.p99_reliable};
}

}  // namespace leadline::cli
