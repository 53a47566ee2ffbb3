// kill -9 at each named point of the code (KillPoint, builds with test hooks only), several times
// each: the same oracle as kill_test, and proof that every point was hit.
//
// LEADLINE_KILL_ROUNDS sets how often each point gets its turn.

#include <array>
#include <cstdio>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "kill_driver.h"
#include "leadline/core/test_hooks.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

constexpr int64_t kPatienceMs = 10'000;

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

/// Points that are passed with every write are given a longer countdown.
uint64_t LongestCountdown(std::string_view point) {
  return StartsWith(point, "commit:") ? 60 : StartsWith(point, "open:") ? 1 : 3;
}

TEST(KillPointsTest, EveryPointIsHitAndLosesNothing) {
  const uint64_t rounds = FromEnvironment("LEADLINE_KILL_ROUNDS", 7);
  ASSERT_GT(rounds, 0U);
  const uint64_t seed = TestSeed(7);
  const TempDir dir;
  Rng rng(seed);
  KillDriver driver(dir.file("db"), seed);
  std::map<std::string_view, uint64_t> hits;
  uint64_t cycles = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    for (const std::string_view point : kKillPoints) {
      static constexpr std::array<const char*, 3> kModes = {"sync", "interval", "os"};
      KillPlan plan;
      plan.point = point;
      plan.countdown = round == 0 ? 1 : 1 + rng.Uniform(LongestCountdown(point));
      plan.patience_ms = kPatienceMs;
      plan.durability = kModes[rng.Uniform(kModes.size())];
      plan.recover_only = StartsWith(point, "close:");
      SCOPED_TRACE("round " + std::to_string(round) + ", " + plan.point + " for the " +
                   std::to_string(plan.countdown) + "th time, durability " + plan.durability);
      hits[point] += driver.RunAndKill(plan).by_point ? 1U : 0U;
      ++cycles;
      if (!::testing::Test::HasFailure()) {
        driver.Verify();
      }
      if (::testing::Test::HasFailure()) {
        return;
      }
    }
  }
  for (const std::string_view point : kKillPoints) {
    std::printf("[ point ] %-24s %llu\n", std::string(point).c_str(),
                static_cast<unsigned long long>(hits[point]));
    EXPECT_GT(hits[point], 0U) << point << " was never hit";
  }
  std::printf("[ point ] %llu kills\n", static_cast<unsigned long long>(cycles));
  ExpectIndexesUsed(driver.tally());
}

}  // namespace
}  // namespace leadline::testing
