#pragma once

#include <string>
#include <vector>

#include "console.h"
#include "leadline/eval/ann_runner.h"
#include "leadline/eval/report.h"

namespace leadline::cli {

/// Parses "ef_search=16,32" or "nprobe=1,4"; the error names --sweep.
Result<std::vector<eval::AnnSetting>> ParseSweep(const std::string& text);
void PrintAnnTable(const std::vector<eval::AnnPoint>& points, Console& console);
eval::ReportAnnPoint ReportPoint(const eval::AnnPoint& point);

}  // namespace leadline::cli
