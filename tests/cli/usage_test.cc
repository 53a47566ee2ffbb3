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
       {"create",     "ingest",   "search",      "get",      "delete", "count",
        "scroll",     "list",     "stats",       "alter",    "drop",   "optimize",
        "check",      "repair",   "backup",      "restore",  "info",   "eval run",
        "eval score", "eval ann", "eval ground", "bench ann"}) {
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

TEST(Usage, AGroupListsItsCommandsOnly) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"eval", "--help"}, {"eval", "-h"}, {"help", "eval"}}) {
    const ProgramOutput help = Leadline(words);
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, HasSubstr("\n  eval ground "));
    EXPECT_THAT(help.out, ::testing::Not(HasSubstr("\n  create ")));
  }
}

TEST(Usage, VersionIsThatOfTheInformation) {
  const ProgramOutput version = Leadline({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_EQ(version.out,
            "leadline " +
                Leadline({"info", "--json"}).JsonLines()[0]["version"].get<std::string>() + "\n");
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
      {{"create", db, "c", "--dim", "4", "--metric", "l2", "--index", "flat", "--codes", "pca8"},
       {"index=flat", "--codes", "value=pca8", "limit=auto|f32|bf16|sq8|sq4"}},
      {{"create", db, "c", "--dim", "4", "--metric", "l2", "--index", "hnsw", "--codes", "pq4"},
       {"index=hnsw", "--codes", "value=pq4", "limit=auto|f32|bf16|sq8|sq4|pca8"}},
      {{"create", db, "c", "--dim", "4", "--metric", "l2", "--index", "flat", "--codes", "rabitq"},
       {"index=flat", "--codes", "value=rabitq", "limit=auto|f32|bf16|sq8|sq4"}},
      {{"create", db, "c", "--dim", "4", "--metric", "l2", "--codes", "int8"}, {"unknown word"}},
      {{"serve", db, "--http", "0.0.0.0:7700"}, {"--http", "value=0.0.0.0:7700", "127.0.0.1:PORT"}},
      {{"serve", db, "--config", dir.file("none.toml")}, {"--config", "none.toml"}},
      {{"serve", db, "--grpc", "0.0.0.0:7701"}, {"--grpc", "value=0.0.0.0:7701", "127.0.0.1:PORT"}},
      {{"serve", db, "--durability", "never"}, {"--durability"}},
      {{"token", "create", db}, {"db"}},
      {{"token", "create", db, "--role", "owner"}, {"--role", "value=owner", "read|write|admin"}},
      {{"token"}, {"token create", "token list", "token revoke"}},
      {{"tune", "--help"}, {"tune: not in this version"}},
      {{"tune", db, "c"}, {"tune: not in this version"}},
      {{"eval", "gate", "--alpha", "0.05"}, {"eval gate: not in this version"}},
      {{"eval", "compare", "a", "b"}, {"eval compare: not in this version"}},
      {{"eval", "attribute", "a"}, {"eval attribute: not in this version"}},
      {{"search", db, "c", "--text", "x", "--k", "3"}, {"--k", "did you mean -k?"}},
      {{"search", db, "c", "--text", "x", "--ef_search=3"}, {"did you mean --ef-search?"}},
      {{"create", db, "c", "-dim", "4", "--metric", "l2"}, {"did you mean --dim?"}},
      {{"count", db, "c", "--json=true"}, {"a flag takes no value: field=--json value=true"}},
      {{"count", db, "c", "--json="}, {"a flag takes no value: field=--json"}},
      {{"create", db, "a/b", "--dim", "4", "--metric", "l2"},
       {"COLLECTION", "value=a/b", "[A-Za-z0-9_-]{1,128}"}},
      {{"create", db, "c", "--dim", "4", "--metric", "l2", "--extra-vector", "a b:4:l2"},
       {"--extra-vector", "a b"}},
      {{"create", db, "c", "--dim", "4", "--metric", "l2", "--extra-vector", "vector:4:l2"},
       {"--extra-vector", "vector", "unique"}},
      {{"create", db, "c", "--dim", "4", "--metric", "l2", "--text", ""}, {"--text", "1 byte"}},
      {{"create", db, "c", "--dim", "4", "--metric", "l2", "--text", "a", "--text", "a"},
       {"--text", "value=a", "once"}},
      {{"search", db, "c", "-k"}, {"-k", "takes one value"}},
      {{"search", db, "c", "--text", ""}, {"--text", "empty"}},
      {{"search", db, "c", "--text", "x", "--fields", ""}, {"--fields", "empty"}},
      {{"scroll", db, "c", "--filter", ""}, {"--filter", "empty"}},
      {{"--version", "create"}, {"--version", "create"}},
      {{"count", db, "c", "--json=no"}, {"--json", "value=no", "no value"}},
      {{"create", db, "c", "--dim", "4", "--metric", "l2", "--language", std::string(65, 'x')},
       {"--language", "value=65", "[0, 64]"}},
      {{"create", db, "c", "--embedder", "no-such-model"}, {"no-such-model"}},
      {{"bench", "ann", "--base", dir.file("no"), "--queries", dir.file("no"), "--truth", "exact",
        "--metric", "l2", "--index", "hnsw", "--codes", "pq4"},
       {"--codes", "value=pq4", "limit=auto|f32|bf16|sq8|sq4|pca8"}},
      {{"create", db, "c", "--dim", "4", "--dim", "5", "--metric", "l2"}, {"--dim"}},
      {{"search", db, "c"}, {"--vector", "--text"}},
      {{"search", db, "c", "--text", "a", "--mode", "bm25"},
       {"not in this version", "--mode", "bm25", "dense"}},
      {{"search", db, "c", "--text", "a", "--rerank", "x"}, {"not in this version", "--rerank"}},
      {{"search", db, "c", "--vector", "[1,1e99]"}, {"--vector[1]", "1e+99"}},
      {{"search", db, "c", "--vector", "[1,\"a\"]"}, {"--vector[1]"}},
      {{"search", db, "c", "--vector", "[1]", "-k", "0"}, {"-k", "value=0", "[1, 16384]"}},
      {{"ingest", db, "c", dir.file("no.jsonl")}, {"no.jsonl"}},
      {{"ingest", db, "c", dir.path(), "--durability", "interval:0"}, {"--durability", "60000"}},
      {{"ingest", db, "c", dir.path(), "--chunk", "tokens:5,5"}, {"--chunk overlap", "[0, 4]"}},
      {{"count", db, "c", "--filter", "a >"}, {"--filter"}},
      {{"delete", db, "c"}, {"--filter"}},
      {{"count", db, "c"}, {"db"}},
      {{"eval", "score", dir.file("none"), dir.file("none")}, {"none"}},
      {{"eval", "ground", dir.file("none"), "--tier", "2"}, {"not in this version", "--tier"}},
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

TEST(Usage, CreateRefusesTooManyOfAThingBeforeItMakesADatabase) {
  const TempDir dir;
  std::vector<std::string> vectors = {"create", dir.file("db"), "c", "--dim",
                                      "4",      "--metric",     "l2"};
  std::vector<std::string> texts = vectors;
  for (int i = 0; i < 16; ++i) {
    vectors.insert(vectors.end(), {"--extra-vector", "v" + std::to_string(i) + ":4:l2"});
  }
  for (int i = 0; i < 257; ++i) {
    texts.insert(texts.end(), {"--text", "t" + std::to_string(i)});
  }
  const ProgramOutput many_vectors = Leadline(vectors);
  EXPECT_EQ(many_vectors.exit_code, 2);
  EXPECT_THAT(many_vectors.err, HasSubstr("field=--extra-vector value=16 limit=[0, 15]"));
  const ProgramOutput many_texts = Leadline(texts);
  EXPECT_EQ(many_texts.exit_code, 2);
  EXPECT_THAT(many_texts.err, HasSubstr("field=--text value=257 limit=[0, 256]"));
  EXPECT_NE(::access(dir.file("db").c_str(), F_OK), 0);
}

TEST(Usage, FlagsOfEveryCommandMayStandBeforeIt) {
  const TempDir dir;
  ASSERT_EQ(Leadline({"--quiet", "create", dir.file("db"), "c", "--dim", "4", "--metric", "l2"})
                .exit_code,
            0);
  EXPECT_EQ(Leadline({"--json", "list", dir.file("db")}).OneJson()["name"], "c");
  EXPECT_EQ(Leadline({"--json", "--quiet", "count", dir.file("db"), "c"}).OneJson()["count"], 0);
  EXPECT_EQ(Leadline({"--bogus", "list", dir.file("db")}).exit_code, 2);
}

TEST(Usage, HelpAsJsonDeclaresEveryArgument) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"help", "--json"}, {"--json", "help"}}) {
    const ProgramOutput help = Leadline(words);
    ASSERT_EQ(help.exit_code, 0) << help.err;
    const Json commands = help.OneJson()["commands"];
    ASSERT_FALSE(commands.empty());
    EXPECT_EQ(commands[0]["command"], "create");
    EXPECT_EQ(commands[0]["arguments"][0]["name"], "DB");
    EXPECT_EQ(commands[0]["arguments"][0]["required"], true);
  }
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

TEST(Usage, ClosedPipeOnStandardOutputIsExitFour) {
  const TempDir dir;
  const std::string code = dir.file("code");
  // The reader is gone for certain before the program writes.
  const std::string command = "( sleep 0.2; \"" + std::string(LEADLINE_PROGRAM) +
                              "\" help 2>/dev/null; echo $? > " + code + " ) | true";
  ASSERT_EQ(std::system(("bash -c '" + command + "'").c_str()), 0);
  for (int i = 0; i < 100 && ReadFile(code).empty(); ++i) {
    ::usleep(50'000);
  }
  EXPECT_EQ(ReadFile(code), "4\n");
}

}  // namespace
}  // namespace leadline::testing
