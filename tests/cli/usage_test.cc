#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program_runner.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Usage, HelpListsEveryCommandOfTheContract) {
  const ProgramOutput help = Leadline({"help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* command :
       {"create",  "ingest", "search",   "get",        "delete",   "count",       "scroll",
        "list",    "stats",  "drop",     "optimize",   "check",    "repair",      "backup",
        "restore", "info",   "eval run", "eval score", "eval ann", "eval ground", "bench ann"}) {
    EXPECT_THAT(help.out, HasSubstr(std::string("\n  ") + command + " "));
    std::vector<std::string> words = {"help"};
    std::istringstream parts(command);
    for (std::string part; parts >> part;) {
      words.push_back(part);
    }
    const ProgramOutput one = Leadline(words);
    EXPECT_EQ(one.exit_code, 0) << command;
    EXPECT_THAT(one.out, HasSubstr(std::string("leadline ") + command));
    EXPECT_THAT(one.out, HasSubstr("--json"));
  }
}

TEST(Usage, DocumentationPageIsWhatTheProgramPrints) {
  const ProgramOutput page = Leadline({"help", "--markdown"});
  EXPECT_EQ(page.exit_code, 0);
  EXPECT_EQ(page.out, ReadFile(LEADLINE_SOURCE_DIR "/docs/cli.md"))
      << "run: leadline help --markdown > docs/cli.md";
}

TEST(Usage, WrongUsageNamesTheFlagAndExitsWithTwo) {
  const TempDir dir;
  const std::string db = dir.file("db");

  struct Case {
    std::vector<std::string> words;
    std::vector<std::string> expected;
  };

  const std::vector<Case> cases = {
      {{"nonsense"}, {"nonsense"}},
      {{"eval", "nonsense"}, {"eval nonsense", "eval run"}},
      {{"count"}, {"DB"}},
      {{"count", db, "c", "--bogus"}, {"--bogus"}},
      {{"create", db, "c", "--dim", "0", "--metric", "l2"}, {"--dim", "value=0", "[1, 65536]"}},
      {{"create", db, "c", "--dim", "1e9", "--metric", "l2"}, {"--dim", "1e9"}},
      {{"create", db, "c", "--dim", "-4", "--metric", "l2"}, {"--dim", "-4"}},
      {{"create", db, "c", "--dim", "4", "--metric", "hamming"}, {"--metric", "hamming", "cosine"}},
      {{"create", db, "c", "--dim", "4"}, {"--metric"}},
      {{"create", db, "c", "--metric", "l2"}, {"--dim"}},
      {{"create", db, "c", "--dim", "4", "--dim", "5", "--metric", "l2"}, {"--dim"}},
      {{"search", db, "c"}, {"--vector", "--text"}},
      {{"search", db, "c", "--text", "a", "--mode", "bm25"}, {"--mode", "bm25", "dense"}},
      {{"search", db, "c", "--text", "a", "--rerank", "x"}, {"--rerank"}},
      {{"search", db, "c", "--vector", "[1,\"a\"]"}, {"--vector[1]"}},
      {{"search", db, "c", "--vector", "[1]", "-k", "0"}, {"-k", "value=0", "[1, 16384]"}},
      {{"ingest", db, "c", dir.file("no.jsonl")}, {"no.jsonl"}},
      {{"ingest", db, "c", dir.path(), "--durability", "interval:0"}, {"--durability", "60000"}},
      {{"ingest", db, "c", dir.path(), "--chunk", "tokens:5,5"}, {"--chunk overlap", "[0, 4]"}},
      {{"count", db, "c", "--filter", "a >"}, {"--filter"}},
      {{"delete", db, "c"}, {"--filter"}},
      {{"count", db, "c"}, {"db"}},
      {{"eval", "score", dir.file("none"), dir.file("none")}, {"none"}},
      {{"eval", "ground", dir.file("none"), "--tier", "2"}, {"--tier"}},
  };
  for (const Case& wrong : cases) {
    const ProgramOutput result = Leadline(wrong.words);
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_THAT(result.out, IsEmpty());
    for (const std::string& text : wrong.expected) {
      EXPECT_THAT(result.err, HasSubstr(text));
    }
  }
  EXPECT_NE(::access(db.c_str(), F_OK), 0) << "a refused command created the database";
}

TEST(Usage, InfoSaysWhatRuns) {
  const Json info = Leadline({"info", "--json"}).OneJson();
  EXPECT_FALSE(info["version"].get<std::string>().empty());
  EXPECT_FALSE(info["simd"]["available"].empty());
  EXPECT_EQ(info["gpu"], "none");
  EXPECT_EQ(info["limits"]["k"], 16384);
  EXPECT_TRUE(info["format_versions"].contains("segment"));
}

TEST(Usage, FullDiskOnStandardOutputIsExitFour) {
  const std::string command = std::string(LEADLINE_PROGRAM) + " help > /dev/full 2> /dev/null";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 4);
}

}  // namespace
}  // namespace leadline::testing
