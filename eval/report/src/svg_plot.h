#pragma once

#include <string>
#include <vector>

#include "leadline/eval/report.h"

namespace leadline::eval {

/// Each returns one inline <svg> element, or nothing where there is nothing to draw. Colours come
/// from the page's style classes, so that they follow light and dark.

/// Horizontal bars on [0, 1] with interval whiskers, values at the right.
std::string MeasureBars(const std::vector<ReportMeasure>& measures);
/// Durations on a logarithmic axis, percentiles as marked lines.
std::string LatencyBars(const ReportLatency& latency);
/// Recall against median latency, one labelled point per setting, joined in order of latency.
std::string RecallAgainstLatency(const std::vector<ReportAnnPoint>& points);

}  // namespace leadline::eval
