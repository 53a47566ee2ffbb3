#pragma once

#include <span>
#include <vector>

#include "console.h"
#include "database_opening.h"
#include "leadline/eval/ann_runner.h"

namespace leadline::cli {

/// Speed of one setting where a call holds many queries.
struct BatchPoint {
  eval::AnnSetting setting;
  double qps = 0;
};

/// Searches all `queries`, which are vectors, `batch` a call (SearchBatch), with every setting of
/// the sweep in turn. The answers are those of single calls, so recall is too. The first call is
/// made twice, and the first time does not count. Errors: as SearchBatch.
Result<std::vector<BatchPoint>> MeasureBatches(const OpenedCollection& opened,
                                               std::span<const eval::InputQuery> queries,
                                               const std::vector<eval::AnnSetting>& sweep,
                                               size_t batch, const SearchOptions& search,
                                               Console& console);

}  // namespace leadline::cli
