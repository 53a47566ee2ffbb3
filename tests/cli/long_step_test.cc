#include "long_step.h"

#include <csignal>

#include <gtest/gtest.h>

namespace leadline::cli {
namespace {

TEST(LongStep, TellsTheCallToEndAndThenSaysInterrupted) {
  Console console(/*json=*/false, /*quiet=*/true);
  {
    LongStep step(console, "check");
    EXPECT_EQ(step.Finish(ExitCode::kNegativeVerdict), ExitCode::kNegativeVerdict);
  }
  LongStep step(console, "check");
  const CallOptions options = step.options();
  options.progress("reading", 0.5);
  EXPECT_FALSE(options.cancel->cancelled());
  ::raise(SIGTERM);
  EXPECT_TRUE(options.cancel->cancelled());
  EXPECT_EQ(step.Explain(CancelledError("by token"), "nothing was left").ToString(),
            "CANCELLED: stopped by a signal: nothing was left");
  EXPECT_EQ(step.Explain(UnavailableError("disk"), "nothing").ToString(), "UNAVAILABLE: disk");
  EXPECT_EQ(step.Finish(ExitCode::kDone), ExitCode::kInterrupted);
}

}  // namespace
}  // namespace leadline::cli
