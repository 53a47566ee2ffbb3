#include "ann_points.h"

#include "arguments.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

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
