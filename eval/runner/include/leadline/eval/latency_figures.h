#pragma once

#include <cstddef>

#include "leadline/eval/latency.h"

namespace leadline::eval {

/// What is reported of a set of durations.
struct LatencyFigures {
  size_t n = 0;
  double min_us = 0;
  double mean_us = 0;
  double p50_us = 0;
  double p95_us = 0;
  double p99_us = 0;
  double max_us = 0;
  bool p95_reliable = false;  ///< enough samples lie beyond it: 200
  bool p99_reliable = false;  ///< the same: 1,000
};

/// Reads the figures off a histogram of nanoseconds.
LatencyFigures FiguresOf(const LatencyHistogram& nanoseconds);

}  // namespace leadline::eval
