// Each measure on cases worked out by hand.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "leadline/eval/metrics.h"
#include "status_matchers.h"

namespace leadline::eval {
namespace {

using testing::StatusIs;

/// A run of one query whose documents come back in the given order.
RankedRun Ranked(const std::vector<std::string>& docs) {
  RankedQuery query{.id = "q", .docs = {}};
  double score = 100;
  for (const std::string& doc : docs) {
    query.docs.push_back({doc, score--});
  }
  return {.tag = "t", .queries = {query}};
}

Qrels Judged(std::vector<JudgedDoc> docs) {
  return {.queries = {{.id = "q", .docs = std::move(docs)}}};
}

MetricValue One(const RankedRun& run, const Qrels& qrels, const std::string& name,
                const ScoreOptions& options = {}) {
  const std::vector<std::string> names = {name};
  Result<std::vector<Measure>> measures = ParseMeasures(names);
  EXPECT_OK(measures);
  Result<ScoreReport> report = Score(run, qrels, *measures, options);
  EXPECT_OK(report);
  return report->means[0].value;
}

double Value(const RankedRun& run, const Qrels& qrels, const std::string& name,
             const ScoreOptions& options = {}) {
  const MetricValue value = One(run, qrels, name, options);
  EXPECT_TRUE(value.defined()) << name;
  return value.value;
}

// Relevant a, b, c (c not returned); n and m judged not relevant, u in the pool but unjudged, x
// outside the pool. Ranks: n 1, a 2, x 3, u 4, b 5, m 6.
const RankedRun kRun = Ranked({"n", "a", "x", "u", "b", "m"});
const Qrels kQrels =
    Judged({{"a", 1}, {"b", 2}, {"c", 1}, {"n", 0}, {"m", 0}, {"z", 0}, {"u", -1}});

TEST(Score, HandComputedValues) {
  const auto value = [](const char* name) { return Value(kRun, kQrels, name); };
  EXPECT_DOUBLE_EQ(value("num_ret"), 6);
  EXPECT_DOUBLE_EQ(value("num_rel"), 3);
  EXPECT_DOUBLE_EQ(value("num_rel_ret"), 2);
  EXPECT_DOUBLE_EQ(value("num_nonrel_judged_ret"), 2);
  EXPECT_DOUBLE_EQ(value("map"), (1.0 / 2 + 2.0 / 5) / 3);
  EXPECT_DOUBLE_EQ(value("map@2"), (1.0 / 2) / 3);
  EXPECT_DOUBLE_EQ(value("p@5"), 2.0 / 5);
  EXPECT_DOUBLE_EQ(value("p@10"), 2.0 / 10);
  EXPECT_DOUBLE_EQ(value("recall@2"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(value("recall@100"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(value("Rprec"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(value("Rprec_mult_2"), 2.0 / 6);
  EXPECT_DOUBLE_EQ(value("rr"), 1.0 / 2);
  EXPECT_DOUBLE_EQ(value("rr@1"), 0);
  EXPECT_DOUBLE_EQ(value("success@1"), 0);
  EXPECT_DOUBLE_EQ(value("success@2"), 1);
  EXPECT_DOUBLE_EQ(value("relative_P_5"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(value("set_P"), 2.0 / 6);
  EXPECT_DOUBLE_EQ(value("set_recall"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(value("set_F"), 2 * (1.0 / 3) * (2.0 / 3) / (1.0 / 3 + 2.0 / 3));
  EXPECT_DOUBLE_EQ(value("iprec_at_recall_0.30"), 1.0 / 2);
  EXPECT_DOUBLE_EQ(value("iprec_at_recall_0.60"), 2.0 / 5);
  EXPECT_DOUBLE_EQ(value("iprec_at_recall_1.00"), 0);
  EXPECT_DOUBLE_EQ(value("unj@5"), 2.0 / 5);
  EXPECT_DOUBLE_EQ(value("judged@5"), 3.0 / 5);
}

TEST(Score, BprefCountsJudgedNonRelevantDocumentsAbove) {
  // R = 3, N = 3; one judged non-relevant document (n) above a and above b.
  EXPECT_DOUBLE_EQ(Value(kRun, kQrels, "bpref"), 2 * (1 - 1.0 / 3) / 3);
}

TEST(Score, BprefTermIsOneWithoutJudgedNonRelevantAbove) {
  EXPECT_DOUBLE_EQ(Value(Ranked({"x", "a"}), Judged({{"a", 1}}), "bpref"), 1);
}

TEST(Score, InferredApLeavesOutPoolDocumentsWithoutJudgment) {
  // a at rank 2: 1 above, judged non-relevant. b at rank 5: 4 above, of which n non-relevant,
  // a relevant, u in the pool, x outside.
  const double e = 1e-5;
  const double a = 0.5 + 0.5 * (1.0 / 1) * (e / (1 + 2 * e));
  const double b = 0.2 + 0.8 * (3.0 / 4) * ((1 + e) / (2 + 2 * e));
  EXPECT_DOUBLE_EQ(Value(kRun, kQrels, "infAP"), (a + b) / 3);
}

TEST(Score, NdcgUsesLinearGainsAndLogTwoDiscount) {
  const RankedRun run = Ranked({"other", "z"});
  const Qrels qrels = Judged({{"z", 1}, {"y", 2}});
  const double discount = 1 / std::log2(3.0);
  EXPECT_NEAR(Value(run, qrels, "ndcg"), discount / (2 + discount), 1e-15);
  EXPECT_NEAR(Value(run, qrels, "ndcg"), 0.2398, 5e-5);
  EXPECT_NEAR(Value(run, qrels, "ndcg@1"), 0, 1e-15);
  EXPECT_NEAR(Value(run, qrels, "ndcg@10"), discount / (2 + discount), 1e-15);
}

TEST(Score, NdcgIgnoresTheRelevanceLevel) {
  ScoreOptions strict;
  strict.relevance_level = 2;
  EXPECT_DOUBLE_EQ(Value(kRun, kQrels, "ndcg", strict), Value(kRun, kQrels, "ndcg"));
  EXPECT_DOUBLE_EQ(Value(kRun, kQrels, "num_rel", strict), 1);
  EXPECT_DOUBLE_EQ(Value(kRun, kQrels, "rr", strict), 1.0 / 5);
}

TEST(Score, RankBiasedPrecisionScalesGradesByTheHighest) {
  // a (1 of 2) at rank 2, b (2 of 2) at rank 5.
  EXPECT_NEAR(Value(kRun, kQrels, "rbp"), 0.1 * (0.5 * 0.9 + std::pow(0.9, 4)), 1e-15);
  EXPECT_NEAR(Value(kRun, kQrels, "rbp_p=0.5"), 0.5 * (0.5 * 0.5 + std::pow(0.5, 4)), 1e-15);
  // x at rank 3 and u at rank 4 unjudged, and everything after rank 6.
  EXPECT_NEAR(Value(kRun, kQrels, "rbp_resid"),
              std::pow(0.9, 6) + 0.1 * (std::pow(0.9, 2) + std::pow(0.9, 3)), 1e-15);
}

TEST(Score, TiesGoToTheGreaterDocumentId) {
  const RankedRun run = {.tag = "",
                         .queries = {{.id = "q", .docs = {{"a", 1}, {"b", 1}, {"B", 1}}}}};
  EXPECT_DOUBLE_EQ(Value(run, Judged({{"b", 1}}), "rr"), 1);
  EXPECT_DOUBLE_EQ(Value(run, Judged({{"a", 1}}), "rr"), 1.0 / 2);
  EXPECT_DOUBLE_EQ(Value(run, Judged({{"B", 1}}), "rr"), 1.0 / 3);
}

TEST(Score, ScoresThatAgreeAsFloatsTieUnderTheOldRulesOnly) {
  const double near = 0.9 + 1e-9;
  const RankedRun run = {.tag = "", .queries = {{.id = "q", .docs = {{"a", near}, {"b", 0.9}}}}};
  ScoreOptions old_rules;
  old_rules.rules = TrecRules::kTrec9;
  EXPECT_DOUBLE_EQ(Value(run, Judged({{"a", 1}}), "rr"), 1);
  EXPECT_DOUBLE_EQ(Value(run, Judged({{"a", 1}}), "rr", old_rules), 1.0 / 2);
}

TEST(Score, ScoresBeyondFloatRangeTieUnderTheOldRules) {
  const RankedRun run = {
      .tag = "", .queries = {{.id = "q", .docs = {{"a", 1e300}, {"b", 1e299}, {"c", -1e300}}}}};
  ScoreOptions old_rules;
  old_rules.rules = TrecRules::kTrec9;
  EXPECT_DOUBLE_EQ(Value(run, Judged({{"a", 1}}), "rr", old_rules), 1.0 / 2);
  EXPECT_DOUBLE_EQ(Value(run, Judged({{"c", 1}}), "rr", old_rules), 1.0 / 3);
}

TEST(Score, JudgedOnlyDropsUnjudgedDocumentsBeforeRanking) {
  ScoreOptions options;
  options.judged_only = true;
  EXPECT_DOUBLE_EQ(Value(kRun, kQrels, "num_ret", options), 4);
  EXPECT_DOUBLE_EQ(Value(kRun, kQrels, "map", options), (1.0 / 2 + 2.0 / 3) / 3);
}

TEST(Score, GeometricMeansAreFlooredAndSummaryOnly) {
  Qrels qrels = Judged({{"a", 1}});
  qrels.queries.push_back({.id = "r", .docs = {{"a", 1}}});
  const std::vector<std::string> names = {"gm_map", "num_q"};
  ASSERT_OK_AND_ASSIGN(const auto measures, ParseMeasures(names));
  ASSERT_OK_AND_ASSIGN(const ScoreReport report, Score(Ranked({"a"}), qrels, measures, {}));
  EXPECT_NEAR(report.means[0].value.value, std::sqrt(1 * 1e-5), 1e-12);
  EXPECT_EQ(report.queries[0].values[0].reason, UndefinedReason::kSummaryOnly);
  EXPECT_DOUBLE_EQ(report.means[1].value.value, 2);
}

Qrels ThreeJudgedQueries() {
  Qrels qrels;
  qrels.queries.push_back({.id = "missing", .docs = {{"a", 1}}});
  qrels.queries.push_back({.id = "none", .docs = {{"a", 0}}});
  qrels.queries.push_back({.id = "q", .docs = {{"a", 1}}});
  return qrels;
}

RankedRun RunWithExtraQuery() {
  RankedRun run = Ranked({"a", "x"});
  run.queries.push_back({.id = "extra", .docs = {{"a", 1}}});
  run.queries.push_back({.id = "none", .docs = {{"b", 1}}});
  return run;
}

TEST(Score, MissingQueriesAreZeroAndEverythingIsCounted) {
  const std::vector<std::string> names = {"rr", "judged@1"};
  ASSERT_OK_AND_ASSIGN(const auto measures, ParseMeasures(names));
  ASSERT_OK_AND_ASSIGN(const ScoreReport report,
                       Score(RunWithExtraQuery(), ThreeJudgedQueries(), measures, {}));
  EXPECT_DOUBLE_EQ(report.means[0].value.value, 1.0 / 3);
  EXPECT_EQ(report.means[0].n_used, 3U);
  EXPECT_EQ(report.means[0].n_total, 3U);
  // "missing" returned nothing, so whether its results are judged has no answer.
  EXPECT_EQ(report.means[1].n_used, 2U);
  EXPECT_EQ(report.means[1].n_total, 3U);
  EXPECT_DOUBLE_EQ(report.means[1].value.value, 1.0 / 2);
  ASSERT_EQ(report.queries.size(), 3U);
  EXPECT_EQ(report.queries[0].id, "missing");
  EXPECT_TRUE(report.queries[0].missing);
  EXPECT_EQ(report.queries[0].values[1].reason, UndefinedReason::kNothingReturned);
  EXPECT_EQ(report.counts.queries_judged, 3U);
  EXPECT_EQ(report.counts.queries_returned, 3U);
  EXPECT_EQ(report.counts.queries_evaluated, 3U);
  EXPECT_EQ(report.counts.queries_missing, 1U);
  EXPECT_EQ(report.counts.queries_extra, 1U);
  EXPECT_EQ(report.counts.queries_without_relevant, 1U);
  EXPECT_EQ(report.counts.docs_returned, 3U);
  EXPECT_EQ(report.counts.docs_unjudged, 2U);
}

TEST(Score, OnlyReturnedAveragesOverQueriesInBoth) {
  ScoreOptions options;
  options.queries = QuerySet::kOnlyReturned;
  EXPECT_DOUBLE_EQ(Value(RunWithExtraQuery(), ThreeJudgedQueries(), "rr", options), 1.0 / 2);
}

TEST(Score, QueriesWithoutRelevantAreUndefinedOnlyWhenAskedFor) {
  ScoreOptions options;
  options.exclude_without_relevant = true;
  const std::vector<std::string> names = {"rr", "num_ret"};
  ASSERT_OK_AND_ASSIGN(const auto measures, ParseMeasures(names));
  ASSERT_OK_AND_ASSIGN(const ScoreReport report,
                       Score(RunWithExtraQuery(), ThreeJudgedQueries(), measures, options));
  EXPECT_EQ(report.queries[1].values[0].reason, UndefinedReason::kNoRelevant);
  EXPECT_DOUBLE_EQ(report.means[0].value.value, 1.0 / 2);
  EXPECT_EQ(report.means[0].n_used, 2U);
  EXPECT_EQ(report.means[0].n_total, 3U);
  EXPECT_DOUBLE_EQ(report.means[1].value.value, 3);
}

TEST(Score, MeanOverNothingIsUndefined) {
  ScoreOptions options;
  options.queries = QuerySet::kOnlyReturned;
  const MetricValue value = One(RankedRun{}, kQrels, "map", options);
  EXPECT_EQ(value.reason, UndefinedReason::kNoQueries);
  EXPECT_EQ(UndefinedReasonName(value.reason), "no_queries");
  EXPECT_DOUBLE_EQ(Value(RankedRun{}, Qrels{}, "num_q", options), 0);
}

TEST(Score, EveryMeasureIsFiniteOnDegenerateQueries) {
  const std::vector<std::string> names = {"all_trec", "judged", "recip_rank_cut"};
  ASSERT_OK_AND_ASSIGN(const auto measures, ParseMeasures(names));
  const std::vector<RankedRun> runs = {RankedRun{}, Ranked({}), Ranked({"a"}), Ranked({"x", "y"})};
  const std::vector<Qrels> judgments = {Judged({}), Judged({{"a", 0}}), Judged({{"a", -1}}),
                                        Judged({{"a", 1}}), Judged({{"a", INT32_MAX}, {"x", 1}})};
  for (const RankedRun& run : runs) {
    for (const Qrels& qrels : judgments) {
      for (const TrecRules rules : {TrecRules::kTrec9, TrecRules::kTrec10}) {
        ScoreOptions options;
        options.rules = rules;
        ASSERT_OK_AND_ASSIGN(const ScoreReport report, Score(run, qrels, measures, options));
        for (size_t m = 0; m < measures.size(); ++m) {
          EXPECT_TRUE(std::isfinite(report.means[m].value.value)) << measures[m].name();
          EXPECT_TRUE(std::isfinite(report.queries[0].values[m].value)) << measures[m].name();
        }
      }
    }
  }
}

TEST(Score, DuplicatesAndBadInputAreRefused) {
  const std::vector<Measure> measures = OfficialMeasures();
  RankedRun twice = Ranked({"a", "b", "a"});
  EXPECT_THAT(Score(twice, kQrels, measures, {}),
              StatusIs(StatusCode::kInvalidArgument, "document=a"));
  EXPECT_THAT(Score(kRun, Judged({{"a", 1}, {"a", 0}}), measures, {}),
              StatusIs(StatusCode::kInvalidArgument, "judgments: query=q document=a"));
  RankedRun two_queries = kRun;
  two_queries.queries.push_back(kRun.queries[0]);
  EXPECT_THAT(Score(two_queries, kQrels, measures, {}),
              StatusIs(StatusCode::kInvalidArgument, "query=q"));
  Qrels two_judged = kQrels;
  two_judged.queries.push_back(kQrels.queries[0]);
  EXPECT_THAT(Score(kRun, two_judged, measures, {}),
              StatusIs(StatusCode::kInvalidArgument, "query=q"));
  RankedRun not_a_number = kRun;
  not_a_number.queries[0].docs[1].score = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(Score(not_a_number, kQrels, measures, {}),
              StatusIs(StatusCode::kInvalidArgument, "document=a"));
  ScoreOptions options;
  options.relevance_level = 0;
  EXPECT_THAT(Score(kRun, kQrels, measures, options),
              StatusIs(StatusCode::kInvalidArgument, "relevance_level"));
}

}  // namespace
}  // namespace leadline::eval
