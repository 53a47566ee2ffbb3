#pragma once

/// One run as one HTML page that needs nothing else: no script, style or font from elsewhere.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace leadline::eval {

/// A 95% interval.
struct ReportInterval {
  double lower = 0;
  double upper = 0;
};

/// A measure over the query set.
struct ReportMeasure {
  std::string name;
  std::optional<double> value;  ///< in [0, 1]; nullopt: undefined
  std::string undefined_reason;
  std::optional<ReportInterval> interval;  ///< of the mean; nullopt where there is none
  size_t n_used = 0;
  size_t n_total = 0;
};

struct ReportHit {
  std::string id;
  double score = 0;
  std::string text;                  ///< what to show of the document; may be empty
  std::optional<int32_t> relevance;  ///< nullopt: not judged
};

struct ReportQuery {
  std::string id;
  std::string text;
  std::string note;                           ///< why there is no result, or empty
  std::vector<std::optional<double>> values;  ///< one per ReportInput::query_measures
  std::vector<ReportHit> hits;                ///< best first
  std::vector<std::string> missed;            ///< relevant documents that did not come back
  int64_t took_us = 0;                        ///< 0 where it was not measured
  bool missing = false;                       ///< judged, but not run
};

/// One bar of the latency histogram: durations in [from_us, to_us).
struct ReportLatencyBucket {
  double from_us = 0;
  double to_us = 0;
  size_t count = 0;
};

struct ReportLatency {
  std::vector<ReportLatencyBucket> buckets;
  std::vector<std::pair<std::string, double>> percentiles_us;  ///< ("p50", 431.0), ...
  bool p99_reliable = true;  ///< false: too few samples, p99 is marked as an estimate
  std::string note;          ///< threads, warm-up, samples
};

/// One setting of approximate search: share of the true neighbours against time.
struct ReportAnnPoint {
  std::string label;             ///< "ef_search 32"
  std::optional<double> recall;  ///< nullopt: undefined, in the table but not in the plot
  double p50_us = 0;
  double p99_us = 0;
  double qps = 0;
  bool p99_reliable = true;
};

/// All strings are shown as they are; none is trusted.
struct ReportInput {
  std::string title;
  std::vector<std::string> warnings;
  std::vector<ReportMeasure> measures;
  std::vector<std::string> query_measures;  ///< columns of the query table; the first sorts it
  bool higher_is_better = true;             ///< of the first query measure
  std::vector<ReportQuery> queries;
  std::vector<std::pair<std::string, std::string>> counts;
  std::vector<std::pair<std::string, std::string>> pins;
  ReportLatency latency;
  std::vector<ReportAnnPoint> ann;
  std::string run_json;  ///< embedded as data, so that the page alone can be compared later
};

/// Queries shown in full at most: the worst ones. The page says how many were left out.
inline constexpr size_t kMaxReportQueries = 2000;
/// Columns of the query table at most, from the first measure on.
inline constexpr size_t kMaxReportColumns = 4;
/// Hits shown per query at most.
inline constexpr size_t kMaxReportHits = 10;

/// Renders the page: bars of the measures with intervals, recall against latency where `ann` has
/// points, the latency histogram, and the queries, worst first (by the first measure, undefined
/// first, ties by id). UTF-8. Every string is escaped; ill-formed UTF-8 becomes U+FFFD.
/// Threads: reentrant. Cost: linear in the input.
std::string RenderReport(const ReportInput& input);

}  // namespace leadline::eval
