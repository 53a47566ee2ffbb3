// Measures the judge on the labelled sets kept beside the repository. Prints the table of
// docs/groundedness.md. Skips, saying so, where the sets are absent.

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "labelled_sets.h"
#include "leadline/eval/ground.h"
#include "status_matchers.h"

namespace leadline {
namespace {

using testing::LabelledSet;

struct Row {
  std::string name;
  LabelledSet set;
  bool judged;  // counts in the mean: human labels and no trivial solution
};

std::vector<Row> AllSets() {
  std::vector<Row> rows;
  rows.push_back({"begin wow", testing::Begin("wow"), true});
  rows.push_back({"begin tc", testing::Begin("tc"), true});
  rows.push_back({"begin cmu", testing::Begin("cmu"), true});
  rows.push_back({"scifact train", testing::SciFact("train"), true});
  rows.push_back({"scifact test", testing::SciFact("test"), true});
  rows.push_back({"faithbench", testing::FaithBench(), true});
  rows.push_back({"factscore", testing::FactScore(), true});
  rows.push_back({"frank cnndm", testing::Frank("cnndm"), true});
  rows.push_back({"frank bbc", testing::Frank("bbc"), true});
  rows.push_back({"rgb en", testing::Rgb("en"), true});
  rows.push_back({"rgb zh", testing::Rgb("zh"), true});
  rows.push_back({"pubmedqa", testing::PubMedQa(), false});
  rows.push_back({"halueval qa", testing::HaluEval(), false});
  return rows;
}

TEST(GroundSets, BeatsTheSumOfOverlapsOnAverage) {
  if (!testing::Present()) {
    GTEST_SKIP() << "labelled sets not found in " << testing::kData;
  }
  std::printf("%-14s %5s %5s %7s %7s %7s %7s %7s %7s %7s %7s\n", "set", "n", "judged", "score",
              "sum", "word", "bigram", "short", "bal.acc", "f1", "f1-ung");
  double ours = 0;
  double theirs = 0;
  double worst = 1;
  size_t count = 0;
  for (const Row& row : AllSets()) {
    ASSERT_OK_AND_ASSIGN(const GroundSummary s, testing::SummariseSet(row.set));
    ASSERT_TRUE(s.auroc.defined()) << row.name << ": " << s.auroc.reason;
    const double sum = testing::BaselineOf(s, "overlap_sum");
    std::printf("%-14s %5zu %5zu %7.3f %7.3f %7.3f %7.3f %7.3f %7.3f %7.3f %7.3f\n",
                row.name.c_str(), s.n, s.n_scored, *s.auroc.value, sum,
                testing::BaselineOf(s, "word_overlap"), testing::BaselineOf(s, "bigram_overlap"),
                testing::BaselineOf(s, "shortness"), *s.balanced_accuracy.value, *s.f1.value,
                *s.f1_ungrounded.value);
    std::fflush(stdout);
    EXPECT_GE(s.n_scored * 100, s.n * 90) << row.name << ": abstains too often";
    if (row.judged) {
      ours += *s.auroc.value;
      theirs += sum;
      worst = std::min(worst, *s.auroc.value - sum);
      ++count;
    }
  }
  ours /= static_cast<double>(count);
  theirs /= static_cast<double>(count);
  std::printf("mean of %zu: score %.4f, sum of overlaps %.4f, worst difference %.3f\n", count, ours,
              theirs, worst);
  EXPECT_GE(ours, theirs + 0.02);
  EXPECT_GE(worst, -0.01) << "some set is judged worse than by the sum of overlaps";
}

TEST(GroundSets, RulesAloneBeatChanceOnAverage) {
  if (!testing::Present()) {
    GTEST_SKIP() << "labelled sets not found in " << testing::kData;
  }
  double sum = 0;
  size_t count = 0;
  for (const Row& row : AllSets()) {
    ASSERT_OK_AND_ASSIGN(const GroundSummary s, testing::SummariseSet(row.set, 0));
    std::printf("tier 0 %-14s n %5zu judged %5zu auroc %.3f\n", row.name.c_str(), s.n, s.n_scored,
                s.auroc.value.value_or(-1));
    if (row.judged && s.auroc.defined()) {
      sum += *s.auroc.value;
      ++count;
    }
  }
  EXPECT_GT(sum / static_cast<double>(count), 0.65);
}

}  // namespace
}  // namespace leadline
