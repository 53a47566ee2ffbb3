#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "console.h"
#include "database_opening.h"
#include "leadline/eval/ann_runner.h"

namespace leadline::cli {

/// The sweep for the searched field: `given`, checked against the indexes that are there, or a few
/// values that fit them where it is empty. The errors name --vector-field and --sweep.
Result<std::vector<eval::AnnSetting>> FitSweep(std::vector<eval::AnnSetting> given,
                                               const OpenedCollection& opened,
                                               const SearchOptions& search);

/// As eval::ExactScanWarning; the error names --vector-field.
Result<std::optional<std::string>> ExactScanWarning(const OpenedCollection& opened,
                                                    const SearchOptions& search);

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
