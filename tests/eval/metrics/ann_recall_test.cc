#include "leadline/eval/ann_recall.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "status_matchers.h"

namespace leadline::eval {
namespace {

using testing::StatusIs;

using Hits = std::vector<AnnHit>;

AnnRecall Recall(const Hits& exact, const Hits& found, Metric metric, size_t k,
                 double epsilon = 0.01) {
  AnnRecallOptions options;
  options.k = k;
  options.metric = metric;
  options.epsilon = epsilon;
  const Result<AnnRecall> recall = ComputeAnnRecall(exact, found, options);
  EXPECT_OK(recall);
  return *recall;
}

const Hits kExact = {{"a", 1}, {"b", 4}, {"c", 9}};  // squared: distances 1, 2, 3

TEST(AnnRecall, ExactAnswerScoresOneEverywhere) {
  const AnnRecall recall = Recall(kExact, kExact, Metric::kL2, 3);
  EXPECT_DOUBLE_EQ(recall.id.value, 1);
  EXPECT_DOUBLE_EQ(recall.tie.value, 1);
  EXPECT_DOUBLE_EQ(recall.epsilon.value, 1);
  EXPECT_DOUBLE_EQ(recall.inverse_ratio.value, 1);
}

TEST(AnnRecall, TieCountsRowsAtEqualDistance) {
  const AnnRecall recall = Recall(kExact, {{"a", 1}, {"b", 4}, {"z", 9}}, Metric::kL2, 3);
  EXPECT_DOUBLE_EQ(recall.id.value, 2.0 / 3);
  EXPECT_DOUBLE_EQ(recall.tie.value, 1);
  EXPECT_DOUBLE_EQ(recall.inverse_ratio.value, 1);
}

TEST(AnnRecall, EpsilonIsRelativeToTheDistanceNotItsSquare) {
  const double at_one_percent = 3 * 1.0099 * 3 * 1.0099;
  const double beyond = 3 * 1.0101 * 3 * 1.0101;
  EXPECT_DOUBLE_EQ(
      Recall(kExact, {{"a", 1}, {"b", 4}, {"z", at_one_percent}}, Metric::kL2, 3).epsilon.value, 1);
  const AnnRecall missed = Recall(kExact, {{"a", 1}, {"b", 4}, {"z", beyond}}, Metric::kL2, 3);
  EXPECT_DOUBLE_EQ(missed.epsilon.value, 2.0 / 3);
  EXPECT_DOUBLE_EQ(missed.tie.value, 2.0 / 3);
}

TEST(AnnRecall, InverseRatioMeasuresHowMuchFarther) {
  // Distances 1, 3, 4 against 1, 2, 3.
  const AnnRecall recall = Recall(kExact, {{"a", 1}, {"c", 9}, {"z", 16}}, Metric::kL2, 3);
  EXPECT_DOUBLE_EQ(recall.inverse_ratio.value, 1 / ((1 + 3.0 / 2 + 4.0 / 3) / 3));
}

TEST(AnnRecall, MissingHitsLowerEveryMeasure) {
  const AnnRecall recall = Recall(kExact, {{"a", 1}}, Metric::kL2, 3);
  EXPECT_DOUBLE_EQ(recall.id.value, 1.0 / 3);
  EXPECT_DOUBLE_EQ(recall.tie.value, 1.0 / 3);
  EXPECT_DOUBLE_EQ(recall.inverse_ratio.value, 1.0 / 3);
  EXPECT_DOUBLE_EQ(Recall(kExact, {}, Metric::kL2, 3).inverse_ratio.value, 0);
}

TEST(AnnRecall, DenominatorIsTheNumberOfExistingNeighbours) {
  EXPECT_DOUBLE_EQ(Recall(kExact, kExact, Metric::kL2, 10).id.value, 1);
  EXPECT_DOUBLE_EQ(Recall(kExact, {{"a", 1}, {"b", 4}}, Metric::kL2, 10).id.value, 2.0 / 3);
}

TEST(AnnRecall, RepeatedIdsCountOnceAndOnlyTheFirstKCount) {
  EXPECT_DOUBLE_EQ(Recall(kExact, {{"a", 1}, {"a", 1}, {"a", 1}}, Metric::kL2, 3).tie.value,
                   1.0 / 3);
  EXPECT_DOUBLE_EQ(Recall(kExact, {{"x", 99}, {"a", 1}}, Metric::kL2, 1).id.value, 0);
  // More rows tie than exist places.
  EXPECT_DOUBLE_EQ(Recall({{"a", 1}}, {{"x", 1}, {"y", 1}, {"z", 1}}, Metric::kL2, 3).tie.value, 1);
}

TEST(AnnRecall, ZeroDistancesStayFinite) {
  const Hits exact = {{"a", 0}, {"b", 4}};
  // The duplicate is missed: distances 2, 3 against 0 (taken as 2), 2.
  EXPECT_DOUBLE_EQ(Recall(exact, {{"b", 4}, {"c", 9}}, Metric::kL2, 2).inverse_ratio.value,
                   1 / ((1 + 3.0 / 2) / 2));
  EXPECT_DOUBLE_EQ(Recall(exact, exact, Metric::kL2, 2).inverse_ratio.value, 1);
  const Hits zeros = {{"a", 0}, {"b", 0}};
  EXPECT_DOUBLE_EQ(Recall(zeros, {{"a", 0}, {"c", 1}}, Metric::kL2, 2).inverse_ratio.value, 0.5);
}

TEST(AnnRecall, CosineUsesTheDistanceOfNormalisedVectors) {
  const Hits exact = {{"a", 1.0}, {"b", 0.5}};
  // cos .5 is distance 1; cos -1 is distance 2.
  const AnnRecall recall = Recall(exact, {{"a", 1.0}, {"z", -1.0}}, Metric::kCosine, 2);
  EXPECT_DOUBLE_EQ(recall.id.value, 0.5);
  EXPECT_DOUBLE_EQ(recall.inverse_ratio.value, 1 / ((1 + 2.0) / 2));
  // Rounding can push a cosine beyond 1.
  EXPECT_DOUBLE_EQ(
      Recall({{"a", 1.0000001}}, {{"a", 1.0000001}}, Metric::kCosine, 1).inverse_ratio.value, 1);
}

TEST(AnnRecall, InnerProductComparesScores) {
  const Hits exact = {{"a", 10}, {"b", 4}, {"c", -2}};
  const AnnRecall recall =
      Recall(exact, {{"a", 10}, {"x", 2}, {"y", -3}}, Metric::kInnerProduct, 3);
  EXPECT_DOUBLE_EQ(recall.id.value, 1.0 / 3);
  EXPECT_DOUBLE_EQ(recall.tie.value, 2.0 / 3);
  EXPECT_DOUBLE_EQ(recall.inverse_ratio.value, (1 + 0.5 + 0) / 3);
  // Slack around a negative limit: -2 - .6 * 2 = -3.2.
  EXPECT_DOUBLE_EQ(
      Recall(exact, {{"a", 10}, {"x", 2}, {"y", -3}}, Metric::kInnerProduct, 3, 0.6).epsilon.value,
      1);
}

TEST(AnnRecall, UndefinedWithoutNeighboursOrScores) {
  EXPECT_EQ(Recall({}, {{"a", 1}}, Metric::kL2, 3).id.reason, UndefinedReason::kNoNeighbors);
  AnnRecallOptions ids_only;
  ids_only.exact_has_scores = false;
  ASSERT_OK_AND_ASSIGN(const AnnRecall recall, ComputeAnnRecall(kExact, kExact, ids_only));
  EXPECT_DOUBLE_EQ(recall.id.value, 1);
  EXPECT_EQ(recall.tie.reason, UndefinedReason::kNoScores);
  EXPECT_EQ(recall.inverse_ratio.reason, UndefinedReason::kNoScores);
}

TEST(AnnRecall, BadInputIsRefused) {
  AnnRecallOptions options;
  options.k = 0;
  EXPECT_THAT(ComputeAnnRecall(kExact, kExact, options),
              StatusIs(StatusCode::kInvalidArgument, "field=k"));
  options.k = 3;
  options.epsilon = -1;
  EXPECT_THAT(ComputeAnnRecall(kExact, kExact, options),
              StatusIs(StatusCode::kInvalidArgument, "epsilon"));
  options.epsilon = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(ComputeAnnRecall(kExact, kExact, options),
              StatusIs(StatusCode::kInvalidArgument, "epsilon"));
  options.epsilon = 0.01;
  EXPECT_THAT(ComputeAnnRecall(Hits{{"a", 1}, {"a", 2}}, kExact, options),
              StatusIs(StatusCode::kInvalidArgument, "twice"));
  EXPECT_THAT(
      ComputeAnnRecall(kExact, Hits{{"a", std::numeric_limits<double>::infinity()}}, options),
      StatusIs(StatusCode::kInvalidArgument, "score"));
}

TEST(AnnRecall, SummaryGivesMeanFifthPercentileAndMinimum) {
  std::vector<AnnRecall> queries;
  for (int i = 1; i <= 100; ++i) {
    AnnRecall recall;
    recall.id.value = i / 100.0;
    recall.tie.reason = UndefinedReason::kNoScores;
    queries.push_back(recall);
  }
  queries.emplace_back().id.reason = UndefinedReason::kNoNeighbors;
  const AnnRecallSummary summary = SummariseAnnRecall(queries);
  EXPECT_NEAR(summary.id.mean.value, 0.505, 1e-12);
  EXPECT_DOUBLE_EQ(summary.id.p5.value, 0.05);
  EXPECT_DOUBLE_EQ(summary.id.min.value, 0.01);
  EXPECT_EQ(summary.id.n_used, 100U);
  EXPECT_EQ(summary.id.n_total, 101U);
  EXPECT_EQ(summary.tie.n_used, 1U);
  EXPECT_EQ(SummariseAnnRecall({}).id.mean.reason, UndefinedReason::kNoQueries);
}

// Order of the measures on random answers: id <= tie <= epsilon, all in [0, 1].
TEST(AnnRecall, MeasuresAreOrderedOnRandomAnswers) {
  constexpr unsigned kSeed = 20240601;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 rng(kSeed);
  std::vector<std::string> names;
  for (int i = 0; i < 40; ++i) {
    names.push_back(std::to_string(i));
  }
  for (int round = 0; round < 2000; ++round) {
    const Metric metric = static_cast<Metric>(1 + rng() % 3);
    Hits base;
    for (const std::string& name : names) {
      const auto step = static_cast<double>(rng() % 8);
      base.push_back({name, metric == Metric::kCosine ? step / 4 - 1 : step});
    }
    const auto nearer = [&](const AnnHit& a, const AnnHit& b) {
      return HigherIsBetter(metric) ? a.score > b.score : a.score < b.score;
    };
    Hits exact = base;
    std::stable_sort(exact.begin(), exact.end(), nearer);
    exact.resize(1 + rng() % 12);
    std::shuffle(base.begin(), base.end(), rng);
    base.resize(rng() % 12);
    std::stable_sort(base.begin(), base.end(), nearer);
    const AnnRecall recall = Recall(exact, base, metric, 10);
    EXPECT_LE(recall.id.value, recall.tie.value);
    EXPECT_LE(recall.tie.value, recall.epsilon.value);
    for (const MetricValue* value :
         {&recall.id, &recall.tie, &recall.epsilon, &recall.inverse_ratio}) {
      EXPECT_GE(value->value, 0);
      EXPECT_LE(value->value, 1);
    }
  }
}

}  // namespace
}  // namespace leadline::eval
