#include "leadline/core/fork_generation.h"

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace leadline {
namespace {

/// What `check` says in a child of this process.
template <typename Check>
bool InChild(Check check) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(check() ? 0 : 1);
  }
  int outcome = -1;
  return ::waitpid(child, &outcome, 0) == child && WIFEXITED(outcome) && WEXITSTATUS(outcome) == 0;
}

TEST(ForkGeneration, IsAnotherInEachGenerationAndStaysWithinOne) {
  const uint64_t mine = ForkGeneration();
  EXPECT_EQ(ForkGeneration(), mine);
  EXPECT_TRUE(InChild([&] {
    const uint64_t of_child = ForkGeneration();
    return of_child != mine && of_child == ForkGeneration() &&
           InChild([&] { return ForkGeneration() != mine && ForkGeneration() != of_child; });
  }));
  EXPECT_EQ(ForkGeneration(), mine);
}

}  // namespace
}  // namespace leadline
