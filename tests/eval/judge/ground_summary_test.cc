#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "leadline/eval/ground.h"
#include "status_matchers.h"

namespace leadline {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

GroundOutcome Outcome(bool grounded, double score) {
  GroundOutcome out;
  out.grounded = grounded;
  out.score.value = score;
  out.baselines.word_overlap.value = 1 - score;
  out.baselines.bigram_overlap.value = 0.5;
  out.baselines.overlap_sum.value = score;
  out.baselines.shortness.value = 0.1;
  return out;
}

TEST(GroundSummary, MatchesHandComputedValues) {
  // Descending: 1(.9) 0(.8) 1(.7) 1(.4) 0(.4) 0(.1)
  const std::vector<GroundOutcome> outcomes = {Outcome(true, 0.9),  Outcome(false, 0.8),
                                               Outcome(true, 0.7),  Outcome(true, 0.4),
                                               Outcome(false, 0.4), Outcome(false, 0.1)};
  ASSERT_OK_AND_ASSIGN(const GroundSummary s, SummariseGround(outcomes));
  EXPECT_EQ(s.n, 6U);
  EXPECT_EQ(s.n_scored, 6U);
  EXPECT_EQ(s.n_grounded, 3U);
  EXPECT_NEAR(*s.auroc.value, (3 + 2 + 1.5) / 9, 1e-12);
  EXPECT_NEAR(*s.pr_auc.value, (1.0 + 2.0 / 3 + 3.0 / 5) / 3, 1e-12);
  EXPECT_NEAR(*s.pr_auc_ungrounded.value, (1.0 + 2.0 / 3 + 3.0 / 5) / 3, 1e-12);
  EXPECT_NEAR(*s.balanced_accuracy.value, 2.0 / 3, 1e-12);
  EXPECT_NEAR(*s.f1.value, 2.0 / 3, 1e-12);
  EXPECT_NEAR(*s.f1_ungrounded.value, 2.0 / 3, 1e-12);
  ASSERT_EQ(s.baselines.size(), 4U);
  EXPECT_EQ(s.baselines[0].name, "overlap_sum");
  EXPECT_NEAR(*s.baselines[0].auroc.value, *s.auroc.value, 1e-12);
  EXPECT_NEAR(*s.baselines[1].auroc.value, 1 - *s.auroc.value, 1e-12);
  EXPECT_NEAR(*s.baselines[2].auroc.value, 0.5, 1e-12);
}

TEST(GroundSummary, EqualsThePairCountOnRandomTies) {
  constexpr uint64_t kSeed = 77;
  Rng rng(kSeed);
  for (int round = 0; round < 200; ++round) {
    std::vector<GroundOutcome> outcomes = {Outcome(true, 0.5), Outcome(false, 0.5)};
    for (uint64_t i = rng.Uniform(40); i > 0; --i) {
      outcomes.push_back(Outcome(rng.Uniform(2) == 1, static_cast<double>(rng.Uniform(5)) / 4));
    }
    double won = 0;
    double pairs = 0;
    for (const GroundOutcome& a : outcomes) {
      for (const GroundOutcome& b : outcomes) {
        if (a.grounded && !b.grounded) {
          pairs += 1;
          won += *a.score.value > *b.score.value ? 1 : *a.score.value == *b.score.value ? 0.5 : 0;
        }
      }
    }
    ASSERT_OK_AND_ASSIGN(const GroundSummary s, SummariseGround(outcomes));
    ASSERT_NEAR(*s.auroc.value, won / pairs, 1e-12) << "seed " << kSeed << " round " << round;
  }
}

TEST(GroundSummary, LeavesOutUndefinedScoresAndCountsThem) {
  std::vector<GroundOutcome> outcomes = {Outcome(true, 0.9), Outcome(false, 0.2)};
  GroundOutcome abstained;
  abstained.grounded = false;
  abstained.score.reason = "declined";
  outcomes.push_back(abstained);
  ASSERT_OK_AND_ASSIGN(const GroundSummary s, SummariseGround(outcomes));
  EXPECT_EQ(s.n, 3U);
  EXPECT_EQ(s.n_scored, 2U);
  EXPECT_EQ(*s.auroc.value, 1.0);
}

TEST(GroundSummary, GivesAReasonInsteadOfANumber) {
  for (const std::vector<GroundOutcome>& outcomes :
       {std::vector<GroundOutcome>{}, std::vector<GroundOutcome>{Outcome(true, 0.3)},
        std::vector<GroundOutcome>{Outcome(false, 0.3), Outcome(false, 0.4)}}) {
    ASSERT_OK_AND_ASSIGN(const GroundSummary s, SummariseGround(outcomes));
    for (const GroundValue& value :
         {s.auroc, s.pr_auc, s.pr_auc_ungrounded, s.balanced_accuracy, s.f1, s.f1_ungrounded}) {
      EXPECT_FALSE(value.defined());
      EXPECT_THAT(value.reason, Not(IsEmpty()));
    }
    EXPECT_FALSE(s.baselines.at(0).auroc.defined());
  }
}

TEST(GroundSummary, RejectsAScoreThatIsNotFinite) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    const std::vector<GroundOutcome> outcomes = {Outcome(true, bad), Outcome(false, 0.2)};
    EXPECT_THAT(SummariseGround(outcomes),
                testing::StatusIs(StatusCode::kInvalidArgument, "score"));
  }
}

}  // namespace
}  // namespace leadline
