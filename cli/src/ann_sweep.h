#pragma once

#include <span>
#include <string>
#include <vector>

#include "console.h"
#include "database_opening.h"
#include "leadline/eval/ann_runner.h"

namespace leadline::cli {

/// Finds the exact neighbours of every query under a progress bar.
Result<eval::AnnTruth> FindExactTruth(const OpenedCollection& opened,
                                      std::span<const eval::InputQuery> queries,
                                      eval::RunOptions options, Console& console);

/// Measures every setting in turn under one progress bar.
Result<std::vector<eval::AnnPoint>> MeasureSweep(const OpenedCollection& opened,
                                                 std::span<const eval::InputQuery> queries,
                                                 const eval::AnnTruth& truth,
                                                 const std::vector<eval::AnnSetting>& sweep,
                                                 eval::RunOptions options, Console& console);

}  // namespace leadline::cli
