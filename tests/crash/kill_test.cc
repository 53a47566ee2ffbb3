// kill -9 at random moments: a worker under load dies, the database is reopened and compared with
// an expected state kept outside it. Nothing acknowledged may be lost in any durability mode (the
// system's page cache survives), nothing deleted may come back, a step in flight is there whole or
// not at all, every open works, also when the recovery before it was killed.
//
// LEADLINE_CRASH_CYCLES sets the number of kills.

#include <algorithm>
#include <array>
#include <cstdio>
#include <sys/resource.h>

#include <gtest/gtest.h>

#include "child_process.h"
#include "kill_driver.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

constexpr uint64_t kAcknowledgedPerCycle = 5;
constexpr uint64_t kPatienceMs = 150;
/// Most times that as patience, where the stream that builds lists comes to no end of a step.
constexpr uint64_t kMostPatience = 20;
constexpr size_t kListStream = 2;

void StartChildWithoutDescriptors() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_NOFILE, &none);
  const ChildProcess child({"/bin/true"}, {});
}

TEST(ChildProcessDeathTest, GivesUpWhereNoChildCanBeStarted) {
  EXPECT_DEATH(StartChildWithoutDescriptors(), "cannot start a child process: pipe2");
}

TEST(KillTest, LosesNothingAcknowledgedOverManyKills) {
  const uint64_t cycles = FromEnvironment("LEADLINE_CRASH_CYCLES", 200);
  ASSERT_GT(cycles, 0U) << "LEADLINE_CRASH_CYCLES=0 proves nothing";
  const uint64_t seed = TestSeed(7);
  const TempDir dir;
  Rng rng(seed);
  KillDriver driver(dir.file("db"), seed);
  uint64_t acknowledged = 0;
  uint64_t fruitful = 0;
  uint64_t done = 0;     // steps of that stream
  uint64_t stalled = 0;  // cycles since the last of them
  for (uint64_t cycle = 0; cycle < cycles && !::testing::Test::HasFailure(); ++cycle) {
    static constexpr std::array<const char*, 3> kModes = {"sync", "interval", "os"};
    KillPlan plan;
    stalled = driver.done(kListStream) == done ? stalled + 1 : 0;
    done = driver.done(kListStream);
    // A step that takes longer than any patience, as under sanitizers on a busy machine, would be
    // begun again for ever.
    plan.patience_ms = static_cast<int64_t>(
        rng.Uniform(kPatienceMs * std::clamp(stalled, uint64_t{1}, kMostPatience)));
    plan.durability = kModes[rng.Uniform(kModes.size())];
    SCOPED_TRACE("cycle " + std::to_string(cycle) + ", durability " + plan.durability + ", " +
                 std::to_string(plan.patience_ms) + " ms");
    const KillOutcome outcome = driver.RunAndKill(plan);
    acknowledged += outcome.acknowledged;
    fruitful += outcome.acknowledged > 0 ? 1U : 0U;
    if (rng.Uniform(4) == 0) {
      // The next open is killed too: while it opens, or while it closes.
      plan.recover_only = true;
      plan.patience_ms = static_cast<int64_t>(rng.Uniform(20));
      driver.RunAndKill(plan);
    }
    if (!::testing::Test::HasFailure()) {
      driver.Verify();
    }
  }
  std::printf("[ kill  ] %llu kills, %llu steps acknowledged, in %llu cycles\n",
              static_cast<unsigned long long>(cycles),
              static_cast<unsigned long long>(acknowledged),
              static_cast<unsigned long long>(fruitful));
  if (::testing::Test::HasFailure()) {
    return;
  }
  EXPECT_GE(acknowledged, kAcknowledgedPerCycle * cycles) << "the kills met an idle database";
  EXPECT_GE(fruitful * 2, cycles) << "half of the kills came before anything was written";
  ExpectIndexesUsed(driver.tally());
}

}  // namespace
}  // namespace leadline::testing
