#include <set>

#include <gtest/gtest.h>

#include "leadline/core/file_system.h"
#include "leadline/eval/metrics.h"
#include "status_matchers.h"

namespace leadline::eval {
namespace {

std::string NameOf(const std::string& text) {
  const Result<std::vector<Measure>> measures = ParseMeasures(std::vector<std::string>{text});
  if (!measures.ok()) {
    return "error";
  }
  std::string names;
  for (const Measure& measure : *measures) {
    names += (names.empty() ? "" : " ") + measure.name();
  }
  return names;
}

TEST(ParseMeasures, BothStylesGiveTrecEvalsName) {
  EXPECT_EQ(NameOf("ndcg@10"), "ndcg_cut_10");
  EXPECT_EQ(NameOf("nDCG@10"), "ndcg_cut_10");
  EXPECT_EQ(NameOf("ndcg_cut_10"), "ndcg_cut_10");
  EXPECT_EQ(NameOf("ndcg_cut.10,5"), "ndcg_cut_10 ndcg_cut_5");
  EXPECT_EQ(NameOf("p@5"), "P_5");
  EXPECT_EQ(NameOf("P_5"), "P_5");
  EXPECT_EQ(NameOf("recall@100"), "recall_100");
  EXPECT_EQ(NameOf("R@100"), "recall_100");
  EXPECT_EQ(NameOf("rr"), "recip_rank");
  EXPECT_EQ(NameOf("mrr"), "recip_rank");
  EXPECT_EQ(NameOf("MRR@10"), "recip_rank_cut_10");
  EXPECT_EQ(NameOf("ap"), "map");
  EXPECT_EQ(NameOf("map@100"), "map_cut_100");
  EXPECT_EQ(NameOf("hit@1"), "success_1");
  EXPECT_EQ(NameOf("judged@10"), "judged_10");
  EXPECT_EQ(NameOf("rprec"), "Rprec");
  EXPECT_EQ(NameOf("infAP"), "infAP");
  EXPECT_EQ(NameOf("rbp"), "rbp");
  EXPECT_EQ(NameOf("rbp_p=0.95"), "rbp_p=0.95");
  EXPECT_EQ(NameOf("iprec_at_recall_0.30"), "iprec_at_recall_0.30");
  EXPECT_EQ(NameOf("iprec@0.3"), "iprec_at_recall_0.30");
  EXPECT_EQ(NameOf("success"), "success_1 success_5 success_10");
}

TEST(ParseMeasures, EveryNameReadsBackAsItself) {
  const std::vector<std::string> all = {"all_trec", "recip_rank_cut", "judged", "rbp_p=0.5"};
  ASSERT_OK_AND_ASSIGN(const std::vector<Measure> measures, ParseMeasures(all));
  EXPECT_GT(measures.size(), 80U);
  for (const Measure& measure : measures) {
    const std::vector<std::string> name = {measure.name()};
    ASSERT_OK_AND_ASSIGN(const std::vector<Measure> again, ParseMeasures(name));
    ASSERT_EQ(again.size(), 1U) << measure.name();
    EXPECT_EQ(again[0], measure) << measure.name();
  }
}

/// The name as the page of measures writes it: a letter in the place of a number.
std::string PageName(const Measure& measure) {
  std::string name = measure.name();
  if (measure.cutoff > 0 || measure.kind == MeasureKind::kInterpolatedPrecision ||
      measure.kind == MeasureKind::kRPrecisionMultiple) {
    name.resize(name.rfind('_') + 1);
    name += measure.cutoff > 0 ? "k" : measure.kind == MeasureKind::kRPrecisionMultiple ? "m" : "x";
  }
  return name;
}

TEST(Measures, PageDefinesEach) {
  ASSERT_OK_AND_ASSIGN(
      const std::string page,
      ReadFileToString(FileSystem::Posix(), LEADLINE_SOURCE_DIR "/docs/measures.md", 1 << 20));
  const std::vector<std::string> all = {"all_trec", "recip_rank_cut", "judged"};
  ASSERT_OK_AND_ASSIGN(const std::vector<Measure> measures, ParseMeasures(all));
  std::set<std::string> names;
  for (const Measure& measure : measures) {
    names.insert(PageName(measure));
  }
  EXPECT_EQ(names.size(), 32U);
  for (const std::string& name : names) {
    const bool defined = page.find("\n| `" + name + "` |") != std::string::npos ||
                         page.find("\n| `" + name + "`, ") != std::string::npos;
    EXPECT_TRUE(defined) << name;
  }
}

TEST(ParseMeasures, RepeatedMeasureIsKeptOnce) {
  const std::vector<std::string> names = {"ndcg@10", "ndcg_cut_10", "nDCG@10"};
  ASSERT_OK_AND_ASSIGN(const std::vector<Measure> measures, ParseMeasures(names));
  EXPECT_EQ(measures.size(), 1U);
}

TEST(ParseMeasures, UnknownNamesAndBadCutoffsAreRefused) {
  for (const char* bad : {"",
                          "foo",
                          "ndcg@",
                          "ndcg@0",
                          "ndcg@-1",
                          "ndcg@1.5",
                          "ndcg@1e9",
                          "ndcg@nan",
                          "ndcg_cut_",
                          "map_10",
                          "bpref@5",
                          "P_",
                          "P_x",
                          "@10",
                          "rbp@0.9",
                          "rbp_p=1",
                          "rbp_p=0",
                          "rbp_0.9",
                          "iprec_at_recall_1.5",
                          "P.5,,7",
                          "P.5,",
                          "recall_10000000",
                          "ndcg@10@10",
                          "Rprec_mult_0"}) {
    const std::vector<std::string> names = {bad};
    EXPECT_THAT(ParseMeasures(names), testing::StatusIs(StatusCode::kInvalidArgument, "measure"))
        << bad;
  }
}

TEST(Measure, DirectionIsDownForResidualsAndUnjudged) {
  const std::vector<std::string> names = {"rbp_resid", "unj_5", "num_nonrel_judged_ret", "ndcg"};
  ASSERT_OK_AND_ASSIGN(const std::vector<Measure> measures, ParseMeasures(names));
  EXPECT_FALSE(measures[0].higher_is_better());
  EXPECT_FALSE(measures[1].higher_is_better());
  EXPECT_FALSE(measures[2].higher_is_better());
  EXPECT_TRUE(measures[3].higher_is_better());
}

}  // namespace
}  // namespace leadline::eval
