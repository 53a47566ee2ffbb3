#include "ann_batches.h"

#include <algorithm>

#include "leadline/core/clock.h"
#include "progress_bar.h"

namespace leadline::cli {
namespace {

/// The vectors of the queries, one after the other.
std::vector<float> Concatenate(std::span<const eval::InputQuery> queries) {
  std::vector<float> values;
  values.reserve(queries.size() * queries.front().vector.size());
  for (const eval::InputQuery& query : queries) {
    values.insert(values.end(), query.vector.begin(), query.vector.end());
  }
  return values;
}

SearchOptions WithSetting(SearchOptions search, const eval::AnnSetting& setting) {
  if (setting.parameter == eval::AnnSetting::Parameter::kEfSearch) {
    search.ef_search = setting.value;
  } else {
    search.nprobe = setting.value;
  }
  return search;
}

}  // namespace

Result<std::vector<BatchPoint>> MeasureBatches(const OpenedCollection& opened,
                                               std::span<const eval::InputQuery> queries,
                                               const std::vector<eval::AnnSetting>& sweep,
                                               size_t batch, const SearchOptions& search,
                                               Console& console) {
  const std::vector<float> values = Concatenate(queries);
  const size_t dim = queries.front().vector.size();
  ProgressBar bar(console, "batches", sweep.size() * queries.size(), "queries");
  std::vector<BatchPoint> points;
  for (const eval::AnnSetting& setting : sweep) {
    const SearchOptions options = WithSetting(search, setting);
    const auto ask = [&](size_t begin) -> Status {
      const MatrixView some = {values.data() + begin * dim, std::min(batch, queries.size() - begin),
                               dim};
      return opened.collection->SearchBatch(some, options).status();
    };
    LEADLINE_RETURN_IF_ERROR(ask(0));
    const int64_t started = Clock::System()->MonotonicNanos();
    for (size_t begin = 0; begin < queries.size(); begin += batch) {
      LEADLINE_RETURN_IF_ERROR(ask(begin));
      bar.Update(points.size() * queries.size() + begin);
    }
    const auto nanos = static_cast<double>(Clock::System()->MonotonicNanos() - started);
    points.push_back(
        {setting, nanos > 0 ? 1e9 * static_cast<double>(queries.size()) / nanos : 0.0});
  }
  return points;
}

}  // namespace leadline::cli
