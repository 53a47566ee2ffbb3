#pragma once

#include "json_text.h"
#include "leadline/eval/runner.h"

namespace leadline::eval {

/// {"p50","p95","p99","mean","min","max","n","p99_reliable"}, in microseconds.
Json LatencyJson(const LatencyFigures& latency);

}  // namespace leadline::eval
