#pragma once

#include <string>
#include <utility>
#include <vector>

#include "leadline/eval/ground.h"

namespace leadline::testing {

struct LabelledInput {
  GroundInput input;
  bool grounded = false;
  bool contradicted = false;  // labelled so; false where a set does not tell
};

/// Judges every input at `tier`; the first error is returned.
inline Result<std::vector<GroundReport>> JudgeSet(const std::vector<LabelledInput>& set,
                                                  int tier = 1) {
  LEADLINE_ASSIGN_OR_RETURN(const GroundJudge judge, GroundJudge::Create({tier}));
  std::vector<GroundReport> reports;
  for (const LabelledInput& one : set) {
    LEADLINE_ASSIGN_OR_RETURN(GroundReport report, judge.Judge(one.input));
    reports.push_back(std::move(report));
  }
  return reports;
}

/// Judges every input at `tier` and summarises; the first error is returned.
inline Result<GroundSummary> SummariseSet(const std::vector<LabelledInput>& set, int tier = 1) {
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<GroundReport> reports, JudgeSet(set, tier));
  std::vector<GroundOutcome> outcomes;
  for (size_t i = 0; i < set.size(); ++i) {
    outcomes.push_back({set[i].grounded, reports[i].score, reports[i].baselines});
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
