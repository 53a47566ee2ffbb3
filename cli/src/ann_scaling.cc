#include "ann_scaling.h"

#include <algorithm>
#include <utility>

#include "progress_bar.h"

namespace leadline::cli {
namespace {

constexpr double kUsefulRecall = 0.95;

}  // namespace

Result<Scaling> MeasureScaling(const OpenedCollection& opened,
                               std::span<const eval::InputQuery> queries,
                               const eval::AnnTruth& truth,
                               const std::vector<eval::AnnPoint>& measured, size_t max_threads,
                               eval::RunOptions running, Console& console) {
  const auto useful =
      std::find_if(measured.begin(), measured.end(), [](const eval::AnnPoint& point) {
        const eval::MetricValue& mean = point.recall.id.mean;
        return mean.defined() && mean.value >= kUsefulRecall;
      });
  Scaling scaling;
  scaling.setting = (useful != measured.end() ? *useful : measured.back()).setting;
  std::vector<size_t> steps;
  for (size_t threads = 1; threads < max_threads; threads *= 2) {
    steps.push_back(threads);
  }
  steps.push_back(max_threads);
  ProgressBar bar(console, "scaling", steps.size() * queries.size(), "queries");
  for (const size_t threads : steps) {
    const size_t before = scaling.points.size() * queries.size();
    running.threads = threads;
    running.progress = [&bar, before](size_t done) { bar.Update(before + done); };
    LEADLINE_ASSIGN_OR_RETURN(const eval::AnnPoint point,
                              eval::MeasureAnn(*opened.database, *opened.collection, queries, truth,
                                               scaling.setting, running));
    const double first = scaling.points.empty() ? point.qps : scaling.points.front().qps;
    scaling.points.push_back({threads, point.qps, first > 0 ? point.qps / first : 0.0});
  }
  return scaling;
}

}  // namespace leadline::cli
