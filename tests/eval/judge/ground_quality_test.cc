// Floors on the labelled claims that are part of the repository.

#include <cstdio>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "labelled_set.h"
#include "leadline/core/file_system.h"
#include "leadline/eval/ground_reader.h"
#include "status_matchers.h"

namespace leadline {
namespace {

TEST(GroundQuality, BeatsTheSumOfOverlapsOnSciFactClaims) {
  const std::string path = std::string(LEADLINE_SOURCE_DIR) + "/examples/scifact/claims.jsonl";
  ASSERT_OK_AND_ASSIGN(const auto reader, GroundReader::Open(FileSystem::Posix(), path));
  std::vector<testing::LabelledInput> set;
  for (;;) {
    ASSERT_OK_AND_ASSIGN(auto record, reader->Next());
    if (!record.has_value()) {
      break;
    }
    ASSERT_TRUE(record->grounded.has_value());
    set.push_back({std::move(record->input), *record->grounded});
  }
  ASSERT_EQ(set.size(), 339U);
  ASSERT_OK_AND_ASSIGN(const GroundSummary s, testing::SummariseSet(set));
  std::printf("scifact test claims: auroc %.4f, sum of overlaps %.4f, balanced accuracy %.4f\n",
              *s.auroc.value, testing::BaselineOf(s, "overlap_sum"), *s.balanced_accuracy.value);
  EXPECT_GE(*s.auroc.value, 0.78);
  EXPECT_GE(*s.auroc.value, testing::BaselineOf(s, "overlap_sum") + 0.03);
  EXPECT_GE(*s.balanced_accuracy.value, 0.64);
  EXPECT_NEAR(testing::BaselineOf(s, "overlap_sum"), 0.752, 0.003) << "the baseline itself moved";
}

}  // namespace
}  // namespace leadline
