// The harness itself: eight deliberate defects, each switched on by LEADLINE_PLANT_DEFECT in a
// build with test hooks, must each be caught by the oracle that owns it, for its reason. And
// without a defect the same runs pass.

#include <algorithm>
#include <map>
#include <string>
#include <sys/wait.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "child_process.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

struct Case {
  const char* defect;
  const char* binary;
  const char* filter;
  std::vector<const char*> verdicts;  ///< one of these is what the oracle says
};

class PlantedDefects : public ::testing::TestWithParam<Case> {
 protected:
  static int StatusOf(const Case& c, const std::string& defect, std::string* output) {
    const TempDir scratch;  // the child keeps what failed in it; nobody needs that
    // A verdict may be what a child of the test says on its standard error before it ends.
    ChildProcess child({"/bin/sh", "-c", "exec \"$0\" \"$@\" 2>&1",
                        std::string(LEADLINE_TEST_BINARIES) + "/" + c.binary,
                        std::string("--gtest_filter=") + c.filter},
                       {{"LEADLINE_PLANT_DEFECT", defect},
                        {"TMPDIR", scratch.path()},
                        {"TEST_TMPDIR", scratch.path()},
                        {"LEADLINE_CRASH_CYCLES", "60"},
                        {"LEADLINE_POWER_CUTS", "200"},
                        {"LEADLINE_IO_POINTS", "40"},
                        {"LEADLINE_BIT_FLIPS", "660"}});
    *output = child.ReadAll();
    return child.Wait();
  }

  /// Runs each test once without a defect.
  static void ExpectPassesWithout(const Case& c) {
    static std::map<std::pair<std::string, std::string>, bool> passed;
    const auto [entry, fresh] = passed.try_emplace({c.binary, c.filter}, true);
    if (fresh) {
      std::string output;
      const int status = StatusOf(c, "", &output);
      // A filter that names no case passes as well.
      entry->second = WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
                      output.find("[       OK ]") != std::string::npos;
      EXPECT_TRUE(entry->second) << c.binary
                                 << " fails without a defect: " << DescribeStatus(status) << "\n"
                                 << output;
    }
    EXPECT_TRUE(entry->second) << c.binary << " fails without a defect";
  }
};

TEST_P(PlantedDefects, IsCaught) {
  const Case& c = GetParam();
  ExpectPassesWithout(c);
  std::string output;
  const int status = StatusOf(c, c.defect, &output);
  ASSERT_TRUE(WIFEXITED(status)) << DescribeStatus(status) << "\n" << output;
  EXPECT_EQ(WEXITSTATUS(status), 1) << c.binary << " did not notice " << c.defect << "\n" << output;
  EXPECT_TRUE(
      std::any_of(c.verdicts.begin(), c.verdicts.end(),
                  [&](const char* verdict) { return output.find(verdict) != std::string::npos; }))
      << c.binary << " failed, but not for the reason planted\n"
      << output;
}

const char* const kLost = "acknowledged steps";
const char* const kDeadHit = "search returned a record that should not exist";
const char* const kOldHit = "search returned another version";
const char* const kWrongScore = "search returned a wrong score";
const char* const kCount = "count is ";
const char* const kMissingPart = "store lacks part of a live record";
const char* const kLiveGhost = "searchable but not in the store";

INSTANTIATE_TEST_SUITE_P(
    All, PlantedDefects,
    ::testing::Values(
        Case{"skip-sync", "power_cut_test", "*", {kLost, "synced writes are missing"}},
        Case{"skip-sync", "io_error_test", "*FailedSync*", {"; acknowledged "}},
        Case{"publish-before-durable", "power_cut_test", "*", {"check: I5"}},
        Case{"drop-tombstone", "kill_test", "*", {kDeadHit, kOldHit, kCount}},
        Case{"ignore-checksum",
             "bit_flip_test",
             "*",
             {kWrongScore, kDeadHit, kOldHit, "check: I", "I8 "}},
        Case{"lose-compaction-delete",
             "kill_test",
             "*",
             {kDeadHit, kOldHit, kCount, kMissingPart, kLiveGhost}},
        Case{"replay-off-by-one", "kill_test", "*", {kCount}},
        Case{"stale-filter",
             "model_test",
             "*WithoutIndexes*",
             {"must not be found", "count of ", "expected[i].score"}},
        Case{"ack-before-commit", "kill_test", "*", {kLost}}),
    [](const auto& planted) {
      std::string name = std::string(planted.param.defect) + "_" + planted.param.binary;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

}  // namespace
}  // namespace leadline::testing
