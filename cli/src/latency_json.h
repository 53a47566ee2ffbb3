#pragma once

#include "json_lines.h"
#include "leadline/eval/runner.h"

namespace leadline::cli {

/// {"p50","p95","p99","mean","min","max","n","p99_reliable"}, in microseconds.
Json LatencyJson(const eval::LatencyFigures& latency);

}  // namespace leadline::cli
