#include "long_step.h"

#include <csignal>

#include <gtest/gtest.h>

namespace leadline::cli {
namespace {

TEST(LongStep, LetsTheCallFinishAndThenSaysInterrupted) {
  Console console(/*json=*/false, /*quiet=*/true);
  {
    LongStep step(console, "check");
    EXPECT_EQ(step.Finish(ExitCode::kNegativeVerdict), ExitCode::kNegativeVerdict);
  }
  LongStep step(console, "check");
  ::raise(SIGTERM);
  EXPECT_EQ(step.Finish(ExitCode::kDone), ExitCode::kInterrupted);
}

}  // namespace
}  // namespace leadline::cli
