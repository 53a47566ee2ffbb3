#pragma once

#include <string>
#include <vector>

#include "leadline/eval/ground.h"

namespace leadline::testing {

struct LabelledInput {
  GroundInput input;
  bool grounded = false;
};

/// Judges every input at `tier` and summarises; the first error is returned.
inline Result<GroundSummary> SummariseSet(const std::vector<LabelledInput>& set, int tier = 1) {
  LEADLINE_ASSIGN_OR_RETURN(const GroundJudge judge, GroundJudge::Create({tier}));
  std::vector<GroundOutcome> outcomes;
  for (const LabelledInput& one : set) {
    LEADLINE_ASSIGN_OR_RETURN(const GroundReport report, judge.Judge(one.input));
    outcomes.push_back({one.grounded, report.score, report.baselines});
  }
  return SummariseGround(outcomes);
}

inline double BaselineOf(const GroundSummary& summary, const std::string& name) {
  for (const GroundSummary::Baseline& baseline : summary.baselines) {
    if (baseline.name == name) {
      return baseline.auroc.value.value_or(-1);
    }
  }
  return -1;
}

}  // namespace leadline::testing
