#pragma once

/// What is told of a sweep: recall and cost of every setting, and which queries have no part in it.

#include <cstdint>
#include <string>
#include <vector>

#include "leadline/core/options.h"
#include "leadline/eval/ann_runner.h"

namespace leadline::eval {

/// Queries searched before the clock starts, of every setting.
inline constexpr size_t kAnnWarmupQueries = 100;

/// A sweep with what it depends on.
struct AnnReport {
  std::vector<AnnPoint> points;  ///< at least one
  size_t k = 0;
  size_t queries = 0;
  size_t threads = 1;
  size_t warmup = 0;
  std::string truth = "exact";  ///< or the file it came from
  double truth_seconds = 0;
  std::string filter;
  bool degraded = false;
  SequenceNumber sequence = 0;
};

/// What is measured where nobody chose: a few values that fit the index kind.
std::vector<AnnSetting> DefaultSweep(IndexKind kind);

/// {"ef_search":32,"recall":{..},"qps":..,"latency_us":{..}} on one line. A recall that is not
/// defined is null, and "undefined" beside it says why.
std::string AnnPointJson(const AnnPoint& point);

/// {"points":[..],"k":..,"queries":..,"failed_queries":[..],..} on one line.
std::string AnnReportJson(const AnnReport& report);

/// Which queries recall leaves out, and why; the same at every setting. Empty where it has all.
std::vector<std::string> AnnWarnings(const AnnPoint& point);

}  // namespace leadline::eval
