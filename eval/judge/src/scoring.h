#pragma once

#include "coverage.h"
#include "fact_check.h"
#include "leadline/eval/ground.h"

namespace leadline::judge {

/// Score and verdict of one sentence.
struct Judgement {
  GroundVerdict verdict = GroundVerdict::kAbstain;
  double raw = 0;  ///< in [0, 1], before calibration
};

/// Share of a sentence that is left once the words of unmatched numbers and absent names are set
/// aside, and that the evidence sentence has; in [0, 1].
double CoverageOfTheRest(const AnalysedText& response, const Coverage& coverage,
                         const FactCheck& facts);

/// Tier 1: word coverage less what the fact check found.
Judgement JudgeByCoverage(const Coverage& coverage, const FactCheck& facts, double rest);

/// Tier 0: share of the checked facts that hold; kAbstain where there was nothing to check.
Judgement JudgeByFacts(const Coverage& coverage, const FactCheck& facts, double rest);

/// Maps a raw score (of a sentence, or the mean of several) to [0, 1] so that 0.5 is the verdict
/// threshold. Strictly increasing.
double Calibrate(double raw);

}  // namespace leadline::judge
