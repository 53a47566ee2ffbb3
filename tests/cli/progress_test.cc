// What long work shows on a terminal: how much is done, how fast, and the time left.

#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program_runner.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

/// Runs the program with standard error on a terminal and results discarded. `input`: a descriptor
/// for standard input. Returns what the terminal was sent.
std::string OnTerminal(const std::vector<std::string>& words, int input = -1) {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0 || ::grantpt(terminal) != 0 || ::unlockpt(terminal) != 0) {
    ADD_FAILURE() << "no pseudo terminal";
    return {};
  }
  const int side = ::open(::ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    if (input >= 0) {
      ::dup2(input, STDIN_FILENO);
    }
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(side, STDERR_FILENO);
    BecomeLeadline(words);
  }
  ::close(side);
  std::string shown;
  char bytes[4096];
  for (ssize_t size = 0; (size = ::read(terminal, bytes, sizeof(bytes))) > 0;) {
    shown.append(bytes, static_cast<size_t>(size));
  }
  ::close(terminal);
  int status = -1;
  if (pid > 0) {
    ::waitpid(pid, &status, 0);
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << shown;
  return shown;
}

class ProgressTest : public ::testing::Test {
 protected:
  std::string WriteResponses(size_t count) {
    std::string lines;
    for (size_t i = 0; i < count; ++i) {
      lines += "{\"id\":\"" + std::to_string(i) +
               "\",\"response\":\"The cat sat.\",\"contexts\":[\"The cat sat on a mat.\"]}\n";
    }
    WriteFile(dir_.file("responses.jsonl"), lines);
    return dir_.file("responses.jsonl");
  }

  TempDir dir_;
};

/// Share, count, rate, time left.
std::string Complete(const std::string& unit) {
  return "[0-9]+%  [0-9]+ " + unit + "  [0-9]+/s  [0-9]+:[0-9][0-9] left";
}

TEST_F(ProgressTest, GroundShowsTheShareOfTheFile) {
  const std::string path = WriteResponses(100);
  EXPECT_THAT(OnTerminal({"eval", "ground", path}), ContainsRegex(Complete("responses")));
  EXPECT_EQ(OnTerminal({"eval", "ground", path, "--quiet"}), "");
  EXPECT_EQ(Leadline({"eval", "ground", path}).err, "");
}

TEST_F(ProgressTest, GroundShowsNoShareOfAPipe) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const std::string lines = ReadFile(WriteResponses(100));
  ASSERT_LT(lines.size(), 65536U) << "would not fit into the pipe";
  ASSERT_EQ(::write(ends[1], lines.data(), lines.size()), static_cast<ssize_t>(lines.size()));
  ::close(ends[1]);
  const std::string shown = OnTerminal({"eval", "ground", "/dev/stdin"}, ends[0]);
  ::close(ends[0]);
  EXPECT_THAT(shown, ContainsRegex("[0-9]+ responses  [0-9]+/s"));
  EXPECT_THAT(shown, Not(HasSubstr("%")));
  EXPECT_THAT(shown, Not(HasSubstr("left")));
}

TEST_F(ProgressTest, DeletingByFilterShowsTheShareOfTheMatches) {
  std::string rows;
  for (int i = 0; i < 2500; ++i) {
    rows += "{\"id\":\"" + std::to_string(i) +
            "\",\"vector\":[1,2],\"payload\":{\"n\":" + std::to_string(i) + "}}\n";
  }
  WriteFile(dir_.file("rows.jsonl"), rows);
  const std::string db = dir_.file("db");
  ASSERT_EQ(Leadline({"create", db, "c", "--dim", "2", "--metric", "l2"}).exit_code, 0);
  ASSERT_EQ(Leadline({"ingest", db, "c", dir_.file("rows.jsonl")}).exit_code, 0);
  // Batches of 1,000: the first is half of what matches.
  const std::string shown = OnTerminal({"delete", db, "c", "--filter", "n < 2000"});
  EXPECT_THAT(shown, ContainsRegex("50%  1000 records  [0-9]+/s  [0-9]+:[0-9][0-9] left"));
  EXPECT_EQ(Leadline({"count", db, "c", "--json"}).OneJson()["count"], 500);
}

TEST_F(ProgressTest, ScoringShowsTheReadingOfLargeFilesOnly) {
  const std::string line = "q1 Q0 d1 1 0.5 tag\n";
  const std::string comment = "#" + std::string((1U << 20) - 2, '-') + "\n";
  std::string large;
  for (int i = 0; i < 20; ++i) {
    large += comment;
  }
  WriteFile(dir_.file("small.run"), line);
  WriteFile(dir_.file("large.run"), large + line);
  WriteFile(dir_.file("qrels"), "q1 0 d1 1\n");
  const auto score = [&](const std::string& run) {
    return OnTerminal({"eval", "score", dir_.file(run), dir_.file("qrels")});
  };
  EXPECT_THAT(score("large.run"), ContainsRegex("read run .*" + Complete("MiB")));
  EXPECT_THAT(score("small.run"), Not(HasSubstr("read")));
}

}  // namespace
}  // namespace leadline::testing
