#include "leadline/eval/latency_figures.h"

namespace leadline::eval {
namespace {

double Micros(uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e3;
}

}  // namespace

LatencyFigures FiguresOf(const LatencyHistogram& nanoseconds) {
  const LatencyPercentile p95 = nanoseconds.Percentile(95);
  const LatencyPercentile p99 = nanoseconds.Percentile(99);
  LatencyFigures figures;
  figures.n = nanoseconds.count();
  figures.min_us = Micros(nanoseconds.min());
  figures.mean_us = nanoseconds.mean() / 1e3;
  figures.p50_us = Micros(nanoseconds.Percentile(50).value);
  figures.p95_us = Micros(p95.value);
  figures.p99_us = Micros(p99.value);
  figures.max_us = Micros(nanoseconds.max());
  figures.p95_reliable = p95.reliable;
  figures.p99_reliable = p99.reliable;
  return figures;
}

}  // namespace leadline::eval
