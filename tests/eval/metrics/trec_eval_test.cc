// Equality with the outputs that trec_eval ships with its own tests, and with its output on real
// BM25 runs where those are present.

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "leadline/eval/judgments.h"
#include "leadline/eval/metrics.h"
#include "status_matchers.h"

namespace leadline::eval {
namespace {

const char kFolder[] = LEADLINE_SOURCE_DIR "/tests/eval/data/trec-eval/";

/// (query, measure) -> text of the value.
using Expected = std::map<std::pair<std::string, std::string>, std::string>;

Expected ReadExpected(const std::string& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in.good()) << path;
  Expected expected;
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string measure;
    std::string query;
    std::string value;
    words >> measure >> query >> value;
    expected[{query, measure}] = value;
  }
  return expected;
}

/// As trec_eval prints it.
std::string Print(const Measure& measure, double value) {
  char text[64];
  std::snprintf(text, sizeof text, measure.is_count() ? "%.0f" : "%.4f", value);
  return text;
}

struct Call {
  std::string qrels;
  std::string results;
  std::vector<std::string> measures;
  ScoreOptions options;
  bool per_query = false;
};

/// Measures of trec_eval that Leadline does not have.
bool IsForeign(const std::string& name) {
  for (const char* prefix : {"runid", "relstring", "utility", "binG", "G", "ndcg_rel", "Rndcg"}) {
    const std::string p(prefix);
    if (name == p || name.starts_with(p + "_")) {
      return true;
    }
  }
  return false;
}

/// Every value trec_eval printed is printed by us, to the last digit, and nothing is left over.
void ExpectSameOutput(const Call& call, const std::string& expected_path) {
  ASSERT_OK_AND_ASSIGN(const Qrels qrels,
                       ReadQrels(FileSystem::Posix(), call.qrels, call.options.rules));
  ASSERT_OK_AND_ASSIGN(const RankedRun run,
                       ReadRun(FileSystem::Posix(), call.results, call.options.rules));
  ASSERT_OK_AND_ASSIGN(const std::vector<Measure> measures, ParseMeasures(call.measures));
  ASSERT_OK_AND_ASSIGN(const ScoreReport report, Score(run, qrels, measures, call.options));
  Expected expected = ReadExpected(expected_path);
  ASSERT_FALSE(expected.empty());
  size_t compared = 0;
  const auto check = [&](const std::string& query, const Measure& measure, double value) {
    const auto it = expected.find({query, measure.name()});
    ASSERT_NE(it, expected.end()) << query << " " << measure.name();
    EXPECT_EQ(Print(measure, value), it->second) << query << " " << measure.name();
    expected.erase(it);
    ++compared;
  };
  for (size_t m = 0; m < measures.size(); ++m) {
    for (const QueryScores& query : report.queries) {
      if (call.per_query && query.values[m].defined()) {
        check(query.id, measures[m], query.values[m].value);
      }
    }
    ASSERT_TRUE(report.means[m].value.defined());
    check("all", measures[m], report.means[m].value.value);
  }
  for (const auto& [key, value] : expected) {
    EXPECT_TRUE(IsForeign(key.second)) << "not printed: " << key.first << " " << key.second;
  }
  EXPECT_GT(compared, 15U);
}

Call ShippedCall(std::vector<std::string> measures) {
  Call call;
  call.qrels = std::string(kFolder) + "qrels.test";
  call.results = std::string(kFolder) + "results.test";
  call.measures = std::move(measures);
  call.options.rules = TrecRules::kTrec10;
  call.options.queries = QuerySet::kOnlyReturned;
  return call;
}

std::string Shipped(const char* name) {
  return std::string(kFolder) + name;
}

TEST(TrecEval, DefaultMeasuresEqualShippedOutput) {
  ExpectSameOutput(ShippedCall({"official"}), Shipped("out.test"));
}

TEST(TrecEval, CommentsInQrelsChangeNothing) {
  Call call = ShippedCall({"official"});
  call.qrels = Shipped("qrels.test.with-comments");
  ExpectSameOutput(call, Shipped("out.test"));
}

TEST(TrecEval, AllMeasuresEqualShippedOutput) {
  ExpectSameOutput(ShippedCall({"all_trec"}), Shipped("out.test.a"));
}

TEST(TrecEval, PerQueryValuesEqualShippedOutput) {
  Call call = ShippedCall({"all_trec"});
  call.per_query = true;
  ExpectSameOutput(call, Shipped("out.test.aq"));
}

TEST(TrecEval, MissingQueriesCountAsZeroWhenAllJudgedAreAveraged) {
  Call call = ShippedCall({"all_trec"});
  call.results = Shipped("results.trunc");
  call.options.queries = QuerySet::kAllJudged;
  call.per_query = true;
  ExpectSameOutput(call, Shipped("out.test.aqc"));
}

TEST(TrecEval, DepthLimitEqualsShippedOutput) {
  Call call = ShippedCall({"all_trec"});
  call.results = Shipped("results.trunc");
  call.options.queries = QuerySet::kAllJudged;
  call.options.max_docs = 100;
  call.per_query = true;
  ExpectSameOutput(call, Shipped("out.test.aqcM"));
}

TEST(TrecEval, RelevanceLevelTwoEqualsShippedOutput) {
  Call call = ShippedCall({"all_trec"});
  call.qrels = Shipped("qrels.rel_level");
  call.options.relevance_level = 2;
  call.per_query = true;
  ExpectSameOutput(call, Shipped("out.test.aql"));
}

TEST(TrecEval, MeasureParametersEqualShippedOutput) {
  // utility and ndcg with replaced gains are not offered.
  Call call = ShippedCall({"iprec_at_recall..10,.20,.25,.75,.50", "P.5,7,3", "recall.20,2000",
                           "Rprec_mult.5.0,0.2,0.35", "ndcg_cut.10,20,23", "success.2,5,20"});
  call.per_query = true;
  ASSERT_OK_AND_ASSIGN(const Qrels qrels,
                       ReadQrels(FileSystem::Posix(), call.qrels, TrecRules::kTrec10));
  ASSERT_OK_AND_ASSIGN(const RankedRun run,
                       ReadRun(FileSystem::Posix(), call.results, TrecRules::kTrec10));
  ASSERT_OK_AND_ASSIGN(const std::vector<Measure> measures, ParseMeasures(call.measures));
  ASSERT_OK_AND_ASSIGN(const ScoreReport report, Score(run, qrels, measures, call.options));
  const Expected expected = ReadExpected(Shipped("out.test.meas_params"));
  for (size_t m = 0; m < measures.size(); ++m) {
    for (const QueryScores& query : report.queries) {
      EXPECT_EQ(Print(measures[m], query.values[m].value),
                expected.at({query.id, measures[m].name()}));
    }
    EXPECT_EQ(Print(measures[m], report.means[m].value.value),
              expected.at({"all", measures[m].name()}));
  }
  EXPECT_EQ(measures.size(), 19U);
}

// No two scores of these files differ beyond single precision, and only interpolated precision is
// defined differently in 9.0.8, so everything else must agree.
TEST(TrecEval, SinglePrecisionRulesEqualShippedOutputBesideInterpolation) {
  Call call = ShippedCall({"all_trec"});
  call.options.rules = TrecRules::kTrec9;
  ASSERT_OK_AND_ASSIGN(const Qrels qrels,
                       ReadQrels(FileSystem::Posix(), call.qrels, TrecRules::kTrec9));
  ASSERT_OK_AND_ASSIGN(const RankedRun run,
                       ReadRun(FileSystem::Posix(), call.results, TrecRules::kTrec9));
  ASSERT_OK_AND_ASSIGN(const std::vector<Measure> measures, ParseMeasures(call.measures));
  ASSERT_OK_AND_ASSIGN(const ScoreReport report, Score(run, qrels, measures, call.options));
  const Expected expected = ReadExpected(Shipped("out.test.aq"));
  for (size_t m = 0; m < measures.size(); ++m) {
    if (measures[m].kind != MeasureKind::kInterpolatedPrecision &&
        measures[m].kind != MeasureKind::kElevenPointAverage) {
      EXPECT_EQ(Print(measures[m], report.means[m].value.value),
                expected.at({"all", measures[m].name()}))
          << measures[m].name();
    }
  }
}

class ReferenceRuns : public ::testing::TestWithParam<const char*> {};

TEST_P(ReferenceRuns, EqualTrecEvalOutput) {
  const std::string base =
      std::string(LEADLINE_SOURCE_DIR "/../shared/data/reference-runs/") + GetParam() + "-bm25";
  if (!std::filesystem::exists(base + ".run")) {
    GTEST_SKIP() << "data set reference-runs is not present";
  }
  Call call;
  call.qrels = base + ".qrels";
  call.results = base + ".run";
  call.measures = {"map",
                   "ndcg",
                   "ndcg_cut.1,3,5,10,20,100",
                   "P.1,3,5,10",
                   "recip_rank",
                   "recall.1,3,5,10,20,100",
                   "success.1,5,10",
                   "bpref",
                   "Rprec",
                   "num_rel",
                   "num_rel_ret"};
  call.options.queries = QuerySet::kOnlyReturned;
  call.per_query = true;
  ExpectSameOutput(call, base + ".trec_eval.txt");
}

INSTANTIATE_TEST_SUITE_P(All, ReferenceRuns, ::testing::Values("scifact", "cranfield"));

}  // namespace
}  // namespace leadline::eval
