// Equality with pytrec_eval on 2,000 tie-heavy random cases; pytrec_full compares 100,000.

#include <fstream>

#include <gtest/gtest.h>

#include "pytrec_cases.h"
#include "status_matchers.h"

namespace leadline::eval {
namespace {

TEST(PytrecGolden, ValuesAgreeToTwelveDigits) {
  std::ifstream in(LEADLINE_SOURCE_DIR "/tests/eval/data/pytrec/golden.tsv");
  std::string line;
  ASSERT_TRUE(std::getline(in, line));
  const std::vector<std::string> names = SplitAt(line, ' ');
  ASSERT_OK_AND_ASSIGN(const std::vector<Measure> measures, ParseMeasures(names));
  size_t cases = 0;
  while (std::getline(in, line)) {
    PytrecCase c;
    ASSERT_TRUE(ParsePytrecCase(line, &c)) << line;
    ASSERT_OK_AND_ASSIGN(const ScoreReport report, Score(c.run, c.qrels, measures, c.options));
    ASSERT_EQ(c.expected.size(), measures.size());
    for (size_t m = 0; m < measures.size(); ++m) {
      ASSERT_EQ(measures[m].name(), names[m]);
      EXPECT_NEAR(report.means[m].value.value, c.expected[m], 1e-12) << names[m] << " " << line;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 2000U);
}

// The cases are only worth something if the order of ties decides values in many of them.
TEST(PytrecGolden, SinglePrecisionTiesDecideManyCases) {
  std::ifstream in(LEADLINE_SOURCE_DIR "/tests/eval/data/pytrec/golden.tsv");
  std::string line;
  std::getline(in, line);
  const std::vector<std::string> map = {"map"};
  ASSERT_OK_AND_ASSIGN(const std::vector<Measure> measures, ParseMeasures(map));
  size_t differ = 0;
  while (std::getline(in, line)) {
    PytrecCase c;
    ASSERT_TRUE(ParsePytrecCase(line, &c));
    ASSERT_OK_AND_ASSIGN(const ScoreReport floats, Score(c.run, c.qrels, measures, c.options));
    c.options.rules = TrecRules::kTrec10;
    ASSERT_OK_AND_ASSIGN(const ScoreReport doubles, Score(c.run, c.qrels, measures, c.options));
    differ += floats.means[0].value.value != doubles.means[0].value.value ? 1 : 0;
  }
  EXPECT_GT(differ, 100U);
}

}  // namespace
}  // namespace leadline::eval
