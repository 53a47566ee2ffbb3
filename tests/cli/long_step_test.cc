#include "long_step.h"

#include <csignal>
#include <string>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>

namespace leadline::cli {
namespace {

/// While alive, standard error is a terminal whose text is kept.
class ErrorTerminal {
 public:
  ErrorTerminal() : saved_(::dup(STDERR_FILENO)) {
    int slave = -1;
    if (::openpty(&master_, &slave, nullptr, nullptr, nullptr) == 0) {
      ::dup2(slave, STDERR_FILENO);
      ::close(slave);
    }
  }

  ErrorTerminal(const ErrorTerminal&) = delete;
  ErrorTerminal& operator=(const ErrorTerminal&) = delete;

  ~ErrorTerminal() {
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
    ::close(master_);
  }

  /// Waits for text and returns it.
  [[nodiscard]] std::string Read() const {
    char bytes[4096];
    const ssize_t size = ::read(master_, bytes, sizeof(bytes));
    return {bytes, static_cast<size_t>(size > 0 ? size : 0)};
  }

 private:
  const int saved_;
  int master_ = -1;
};

TEST(LongStep, ShowsABarWithRateAndTimeLeftOnATerminal) {
  const ErrorTerminal terminal;
  Console console(/*json=*/false, /*quiet=*/false);
  LongStep step(console, "check");
  const CallOptions options = step.options();
  std::string seen = terminal.Read();
  options.progress("reading records", 0.25);
  while (seen.find("left") == std::string::npos) {
    const std::string more = terminal.Read();
    ASSERT_FALSE(more.empty());
    seen += more;
  }
  EXPECT_THAT(seen, ::testing::HasSubstr("check [######..................] 25%  reading records"));
  EXPECT_THAT(seen, ::testing::HasSubstr("%/s"));
}

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
