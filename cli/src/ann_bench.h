#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ann_batches.h"
#include "ann_scaling.h"
#include "console.h"
#include "leadline/core/options.h"
#include "leadline/eval/ann_runner.h"
#include "signal_stop.h"

namespace leadline::cli {

struct AnnBenchOptions {
  std::string base;
  std::string queries;
  std::string truth;  ///< file, or "exact"
  VectorField field;  ///< dim is taken from the base file
  size_t k = 10;
  std::vector<eval::AnnSetting> sweep;  ///< empty: a few that fit the index
  std::vector<double> selectivities;
  size_t batch = 0;  ///< queries a call of the measurement in batches; 0: none
  size_t threads = 1;
  size_t scaling = 0;  ///< most threads of the measurement of scaling; 0: none
  uint32_t build_threads = 2;
  std::string directory;
};

/// Points measured under one filter.
struct FilteredPoints {
  double selectivity = 1;
  uint64_t matches = 0;
  std::vector<eval::AnnPoint> points;
};

struct AnnBenchResult {
  uint64_t rows = 0;
  uint32_t dim = 0;
  size_t queries = 0;
  double ingest_s = 0;
  double build_s = 0;
  double open_ms = 0;
  uint64_t resident_bytes = 0;
  uint64_t disk_bytes = 0;
  uint64_t segments = 0;
  std::vector<eval::AnnPoint> points;
  std::vector<BatchPoint> batches;
  Scaling scaling;  ///< no points where it was not asked for
  std::vector<FilteredPoints> filtered;
};

/// Builds a database of the base vectors in a scratch directory through the public calls an
/// application uses, opens it again and measures searches. Cancelled by `stop`.
Result<AnnBenchResult> RunAnnBench(const AnnBenchOptions& options, const SignalStop& stop,
                                   Console& console);

}  // namespace leadline::cli
