#include "scoring.h"

#include <algorithm>
#include <cmath>

namespace leadline::judge {
namespace {

// Chosen on BEGIN, SciFact's training claims and PubMedQA by bench/eval/ground_pick.py: the
// simplest values within one standard error of the best (docs/groundedness.md).
constexpr double kDocumentWeight = 0.4;
constexpr double kWindowWeight = 0.4;
constexpr double kPairsWeight = 0.1;
constexpr double kOrderWeight = 0.1;

// What a found conflict takes off the raw score.
constexpr double kNumberPenalty = 0.2;
constexpr double kOppositionPenalty = 0.2;

// How alike the rest of both sentences must be before a conflict counts as a contradiction.
constexpr double kRestForAbsentNumber = 0.5;
constexpr double kRestForMovedNumber = 0.85;
constexpr double kRestForNegation = 0.6;
constexpr double kRestForAntonym = 0.5;
constexpr double kRestForName = 0.8;

// Logistic calibration fitted to BEGIN (three parts) and the SciFact training claims, each class of
// each set weighing the same.
constexpr double kSlope = 7.8;
constexpr double kThreshold = 0.60;

// A contradicted sentence stays below the threshold, the better covered ones a little higher.
constexpr double kContradictedTop = kThreshold - 0.05;
constexpr double kContradictedSlope = 0.1;

bool IsContradicted(const FactCheck& facts, double rest) {
  if (facts.number_conflict &&
      rest >= (facts.absent_numbers.empty() ? kRestForMovedNumber : kRestForAbsentNumber)) {
    return true;
  }
  if (facts.opposition &&
      rest >= (facts.opposition->negation ? kRestForNegation : kRestForAntonym)) {
    return true;
  }
  return facts.name_conflict && rest >= kRestForName;
}

double CapContradicted(double raw) {
  return std::min(raw, kContradictedTop + kContradictedSlope * (raw - 1.0));
}

GroundVerdict VerdictOf(double raw, bool contradicted) {
  return contradicted        ? GroundVerdict::kContradicted
         : raw >= kThreshold ? GroundVerdict::kSupported
                             : GroundVerdict::kNotMentioned;
}

}  // namespace

double CoverageOfTheRest(const AnalysedText& response, const Coverage& coverage,
                         const FactCheck& facts) {
  double aside = 0;
  const auto set_aside = [&](size_t first, size_t last) {
    for (size_t i = first; i < last; ++i) {
      aside += response.terms[i].weight;
    }
  };
  for (const Quantity& quantity : facts.unmatched) {
    set_aside(quantity.first_word, quantity.last_word);
  }
  for (const Name& name : facts.absent_names) {
    set_aside(name.first_word, name.last_word);
  }
  const double rest = coverage.weight - aside;
  return rest > 0 ? std::min(1.0, coverage.sentence * coverage.weight / rest) : 0;
}

Judgement JudgeByCoverage(const Coverage& coverage, const FactCheck& facts, double rest) {
  double raw = kDocumentWeight * coverage.document + kWindowWeight * coverage.window +
               kPairsWeight * coverage.pairs + kOrderWeight * coverage.order;
  raw -= facts.number_conflict ? kNumberPenalty : 0;
  raw -= facts.opposition ? kOppositionPenalty : 0;
  raw = std::clamp(raw, 0.0, 1.0);
  const bool contradicted = IsContradicted(facts, rest);
  raw = contradicted ? CapContradicted(raw) : raw;
  return {VerdictOf(raw, contradicted), raw};
}

Judgement JudgeByFacts(const Coverage& coverage, const FactCheck& facts, double rest) {
  const size_t checked = facts.numbers + facts.names + (facts.opposition ? 1 : 0);
  if (checked == 0 || !coverage.evidence) {
    return {};
  }
  const size_t wrong =
      facts.absent_numbers.size() + facts.absent_names.size() + (facts.opposition ? 1 : 0);
  const bool contradicted = IsContradicted(facts, rest);
  double raw = 1.0 - static_cast<double>(wrong) / static_cast<double>(checked);
  raw = contradicted ? CapContradicted(raw) : raw;
  return {VerdictOf(raw, contradicted), raw};
}

double Calibrate(double raw) {
  return 1.0 / (1.0 + std::exp(-kSlope * (raw - kThreshold)));
}

}  // namespace leadline::judge
