#include "latency_json.h"

namespace leadline::eval {

Json LatencyJson(const LatencyFigures& latency) {
  return {{"p50", latency.p50_us},
          {"p95", latency.p95_us},
          {"p99", latency.p99_us},
          {"mean", latency.mean_us},
          {"min", latency.min_us},
          {"max", latency.max_us},
          {"n", latency.n},
          {"p95_reliable", latency.p95_reliable},
          {"p99_reliable", latency.p99_reliable}};
}

}  // namespace leadline::eval
