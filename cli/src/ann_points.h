#pragma once

#include <optional>
#include <string>
#include <vector>

#include "console.h"
#include "json_lines.h"
#include "leadline/core/options.h"
#include "leadline/eval/ann_runner.h"
#include "leadline/eval/report.h"

namespace leadline::cli {

/// Parses "ef_search=16,32" or "nprobe=1,4"; the error names --sweep.
Result<std::vector<eval::AnnSetting>> ParseSweep(const std::string& text);
/// What is measured where no --sweep is given: a few values that fit the index kind.
std::vector<eval::AnnSetting> DefaultSweep(IndexKind kind);

/// {"ef_search":32,"recall":{..},"qps":..,"latency_us":{..}}.
Json AnnPointJson(const eval::AnnPoint& point);
void PrintAnnTable(const std::vector<eval::AnnPoint>& points, Console& console);
/// Which queries recall leaves out, and why; the same at every setting. Empty where it has all.
std::vector<std::string> AnnWarnings(const eval::AnnPoint& point);
/// [{"query":ID,"error":WHY},..].
Json FailedQueriesJson(const std::vector<eval::FailedQuery>& failed);
eval::ReportAnnPoint ReportPoint(const eval::AnnPoint& point);

}  // namespace leadline::cli
