// score_run RUN QRELS [MEASURE]... - reads and scores a TREC run under the rules of trec_eval 9 and
// prints the means and the seconds it took, reading included. Used by score_ratio.py.

#include <cstdio>

#include "leadline/core/clock.h"
#include "leadline/core/file_system.h"
#include "leadline/eval/judgments.h"
#include "leadline/eval/metrics.h"

namespace leadline::eval {
namespace {

Result<ScoreReport> ScoreFiles(const std::string& run_path, const std::string& qrels_path,
                               const std::vector<std::string>& names) {
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<Measure> measures, ParseMeasures(names));
  LEADLINE_ASSIGN_OR_RETURN(const Qrels qrels,
                            ReadQrels(FileSystem::Posix(), qrels_path, TrecRules::kTrec9));
  LEADLINE_ASSIGN_OR_RETURN(const RankedRun run,
                            ReadRun(FileSystem::Posix(), run_path, TrecRules::kTrec9));
  ScoreOptions options;
  options.rules = TrecRules::kTrec9;
  return Score(run, qrels, measures, options);
}

}  // namespace
}  // namespace leadline::eval

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: score_run RUN QRELS [MEASURE]...\n");
    return 2;
  }
  leadline::Clock* clock = leadline::Clock::System();
  const auto start = clock->MonotonicNanos();
  const auto report = leadline::eval::ScoreFiles(argv[1], argv[2], {argv + 3, argv + argc});
  const auto nanos = clock->MonotonicNanos() - start;
  if (!report.ok()) {
    std::fprintf(stderr, "%s\n", report.status().ToString().c_str());
    return 1;
  }
  for (size_t m = 0; m < report->measures.size(); ++m) {
    std::printf("%s %.17g\n", report->measures[m].name().c_str(), report->means[m].value.value);
  }
  std::printf("seconds %.6f\n", static_cast<double>(nanos) * 1e-9);
  return 0;
}
