#include "ann_sweep.h"

#include <utility>

#include "leadline/eval/sweep_fit.h"
#include "progress_bar.h"
#include "search_arguments.h"

namespace leadline::cli {

Result<std::vector<eval::AnnSetting>> FitSweep(std::vector<eval::AnnSetting> given,
                                               const OpenedCollection& opened,
                                               const SearchOptions& search) {
  LEADLINE_ASSIGN_OR_RETURN(const VectorField field,
                            SearchedField(opened.collection->options(), search.vector_field));
  return eval::FitSweep(std::move(given), *opened.collection, field, search, "--sweep");
}

Result<std::optional<std::string>> ExactScanWarning(const OpenedCollection& opened,
                                                    const SearchOptions& search) {
  LEADLINE_ASSIGN_OR_RETURN(const VectorField field,
                            SearchedField(opened.collection->options(), search.vector_field));
  return eval::ExactScanWarning(*opened.collection, field, search);
}

Result<eval::AnnTruth> FindExactTruth(const OpenedCollection& opened,
                                      std::span<const eval::InputQuery> queries,
                                      eval::RunOptions options, Console& console) {
  ProgressBar bar(console, "exact search", queries.size(), "queries");
  options.progress = [&bar](size_t done) { bar.Update(done); };
  return eval::ExactTruth(*opened.database, *opened.collection, queries, options);
}

Result<std::vector<eval::AnnPoint>> MeasureSweep(const OpenedCollection& opened,
                                                 std::span<const eval::InputQuery> queries,
                                                 const eval::AnnTruth& truth,
                                                 const std::vector<eval::AnnSetting>& sweep,
                                                 eval::RunOptions options, Console& console) {
  ProgressBar bar(console, "sweep", sweep.size() * queries.size(), "queries");
  std::vector<eval::AnnPoint> points;
  for (const eval::AnnSetting& setting : sweep) {
    const size_t before = points.size() * queries.size();
    options.progress = [&bar, before](size_t done) { bar.Update(before + done); };
    LEADLINE_ASSIGN_OR_RETURN(
        const eval::AnnPoint point,
        eval::MeasureAnn(*opened.database, *opened.collection, queries, truth, setting, options));
    points.push_back(point);
  }
  return points;
}

}  // namespace leadline::cli
