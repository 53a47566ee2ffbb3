// The harness itself: eight deliberate defects, each switched on by LEADLINE_PLANT_DEFECT in a
// build with test hooks, must each be caught by the test that owns it. And without a defect the
// same runs pass.

#include <string>
#include <sys/wait.h>
#include <vector>

#include <gtest/gtest.h>

#include "child_process.h"

namespace leadline::testing {
namespace {

struct Case {
  const char* defect;
  const char* binary;
  const char* filter;
};

class PlantedDefects : public ::testing::TestWithParam<Case> {
 protected:
  static int ExitOf(const Case& c, const std::string& defect, std::string* output) {
    ChildProcess child({std::string(LEADLINE_TEST_BINARIES) + "/" + c.binary,
                        std::string("--gtest_filter=") + c.filter},
                       {{"LEADLINE_PLANT_DEFECT", defect},
                        {"LEADLINE_CRASH_CYCLES", "60"},
                        {"LEADLINE_POWER_CUTS", "200"},
                        {"LEADLINE_BIT_FLIPS", "200"}});
    *output = child.ReadAll();
    return child.Wait();
  }
};

TEST_P(PlantedDefects, IsCaught) {
  std::string output;
  const int status = ExitOf(GetParam(), GetParam().defect, &output);
  EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
      << GetParam().binary << " did not notice " << GetParam().defect << "\n"
      << output;
  EXPECT_NE(output.find("Failure"), std::string::npos) << output;
}

INSTANTIATE_TEST_SUITE_P(All, PlantedDefects,
                         ::testing::Values(Case{"skip-sync", "power_cut_test", "*"},
                                           Case{"publish-before-durable", "power_cut_test", "*"},
                                           Case{"drop-tombstone", "kill_test", "*"},
                                           Case{"ignore-checksum", "bit_flip_test", "*"},
                                           Case{"lose-compaction-delete", "kill_test", "*"},
                                           Case{"replay-off-by-one", "kill_test", "*"},
                                           Case{"stale-filter", "model_test", "*WithFlat*"},
                                           Case{"ack-before-commit", "kill_test", "*"}),
                         [](const auto& planted) {
                           std::string name = planted.param.defect;
                           for (char& c : name) {
                             c = c == '-' ? '0' : c;
                           }
                           return name;
                         });

}  // namespace
}  // namespace leadline::testing
