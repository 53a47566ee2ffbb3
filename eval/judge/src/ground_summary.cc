#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "leadline/eval/ground.h"

namespace leadline {
namespace {

constexpr double kDecisionThreshold = 0.5;
constexpr std::string_view kOneClass = "all labels are equal";
constexpr std::string_view kNothing = "no labelled response has a score";

struct Scored {
  double score = 0;
  bool grounded = false;
};

GroundValue Undefined(std::string_view reason) {
  return {std::nullopt, std::string(reason)};
}

/// Calls visit(grounded, ungrounded) for each group of equal scores, from the highest score down.
template <typename Visit>
void ForEachTie(std::vector<Scored>* scored, const Visit& visit) {
  std::sort(scored->begin(), scored->end(),
            [](const Scored& a, const Scored& b) { return a.score > b.score; });
  for (size_t i = 0; i < scored->size();) {
    size_t grounded = 0;
    size_t j = i;
    for (; j < scored->size() && (*scored)[j].score == (*scored)[i].score; ++j) {
      grounded += (*scored)[j].grounded ? 1 : 0;
    }
    visit(static_cast<double>(grounded), static_cast<double>(j - i - grounded));
    i = j;
  }
}

/// Area under the ROC curve; `scored` has both classes.
double Auroc(std::vector<Scored> scored) {
  double above = 0;  // grounded ones with a higher score
  double won = 0;
  double all_ungrounded = 0;
  ForEachTie(&scored, [&](double grounded, double ungrounded) {
    won += ungrounded * (above + grounded / 2);
    above += grounded;
    all_ungrounded += ungrounded;
  });
  return won / (above * all_ungrounded);
}

/// Average precision, positives = grounded: sum over thresholds of precision times recall gained.
double AveragePrecision(std::vector<Scored> scored) {
  double positives = 0;
  double seen = 0;
  double area = 0;
  ForEachTie(&scored, [&](double grounded, double ungrounded) {
    positives += grounded;
    seen += grounded + ungrounded;
    area += grounded * positives / seen;
  });
  return area / positives;
}

/// The same responses with the ungrounded ones as positives.
std::vector<Scored> Flipped(std::vector<Scored> scored) {
  for (Scored& one : scored) {
    one = {-one.score, !one.grounded};
  }
  return scored;
}

struct Counts {
  double grounded_kept = 0;
  double grounded_flagged = 0;
  double ungrounded_kept = 0;
  double ungrounded_flagged = 0;
};

Counts CountDecisions(const std::vector<Scored>& scored) {
  Counts c;
  for (const Scored& one : scored) {
    const bool kept = one.score >= kDecisionThreshold;
    double& cell = one.grounded ? (kept ? c.grounded_kept : c.grounded_flagged)
                                : (kept ? c.ungrounded_kept : c.ungrounded_flagged);
    cell += 1;
  }
  return c;
}

void Decide(const std::vector<Scored>& scored, GroundSummary* out) {
  const Counts c = CountDecisions(scored);
  const double errors = c.grounded_flagged + c.ungrounded_kept;
  out->balanced_accuracy.value =
      (c.grounded_kept / (c.grounded_kept + c.grounded_flagged) +
       c.ungrounded_flagged / (c.ungrounded_kept + c.ungrounded_flagged)) /
      2;
  out->f1.value = 2 * c.grounded_kept / (2 * c.grounded_kept + errors);
  out->f1_ungrounded.value = 2 * c.ungrounded_flagged / (2 * c.ungrounded_flagged + errors);
}

using Getter = const GroundValue& (*)(const GroundBaselines&);

struct NamedBaseline {
  std::string_view name;
  Getter get;
};

constexpr std::array<NamedBaseline, 4> kBaselines = {{
    {"overlap_sum", [](const GroundBaselines& b) -> const GroundValue& { return b.overlap_sum; }},
    {"word_overlap", [](const GroundBaselines& b) -> const GroundValue& { return b.word_overlap; }},
    {"bigram_overlap",
     [](const GroundBaselines& b) -> const GroundValue& { return b.bigram_overlap; }},
    {"shortness", [](const GroundBaselines& b) -> const GroundValue& { return b.shortness; }},
}};

/// AUROC of a baseline over the responses that have a score.
GroundValue BaselineAuroc(std::span<const GroundOutcome> outcomes, Getter get) {
  std::vector<Scored> scored;
  for (const GroundOutcome& outcome : outcomes) {
    const GroundValue& value = get(outcome.baselines);
    if (!outcome.score.defined()) {
      continue;
    }
    if (!value.defined()) {
      return Undefined(value.reason);
    }
    scored.push_back({*value.value, outcome.grounded});
  }
  return {Auroc(std::move(scored)), {}};
}

}  // namespace

Result<GroundSummary> SummariseGround(std::span<const GroundOutcome> outcomes) {
  GroundSummary out;
  out.n = outcomes.size();
  std::vector<Scored> scored;
  for (const GroundOutcome& outcome : outcomes) {
    if (!outcome.score.defined()) {
      continue;
    }
    if (!std::isfinite(*outcome.score.value)) {
      return InvalidFieldError("groundedness score is not finite", "score",
                               std::to_string(*outcome.score.value), "finite");
    }
    scored.push_back({*outcome.score.value, outcome.grounded});
    out.n_grounded += outcome.grounded ? 1 : 0;
  }
  out.n_scored = scored.size();
  const bool one_class = out.n_grounded == 0 || out.n_grounded == out.n_scored;
  if (one_class) {
    const GroundValue none = Undefined(scored.empty() ? kNothing : kOneClass);
    out.auroc = out.pr_auc = out.pr_auc_ungrounded = out.balanced_accuracy = none;
    out.f1 = out.f1_ungrounded = none;
  } else {
    out.auroc.value = Auroc(scored);
    out.pr_auc.value = AveragePrecision(scored);
    out.pr_auc_ungrounded.value = AveragePrecision(Flipped(scored));
    Decide(scored, &out);
  }
  for (const NamedBaseline& baseline : kBaselines) {
    out.baselines.push_back({std::string(baseline.name),
                             one_class ? out.auroc : BaselineAuroc(outcomes, baseline.get)});
  }
  return out;
}

}  // namespace leadline
