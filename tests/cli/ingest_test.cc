#include <string>
#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program_runner.h"
#include "temp_dir.h"
#include "test_environment.h"

namespace leadline::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string JsonlRow(const std::string& id, const std::vector<float>& vector) {
  return Json({{"id", id}, {"vector", vector}}).dump() + "\n";
}

/// Lowers a limit of this process and of the programs it starts, until it is destroyed.
class LoweredLimit {
 public:
  LoweredLimit(decltype(RLIMIT_NOFILE) resource, rlim_t value) : resource_(resource) {
    EXPECT_EQ(::getrlimit(resource_, &before_), 0);
    const rlimit lowered = {value, before_.rlim_max};
    EXPECT_EQ(::setrlimit(resource_, &lowered), 0);
  }

  LoweredLimit(const LoweredLimit&) = delete;
  LoweredLimit& operator=(const LoweredLimit&) = delete;

  ~LoweredLimit() { ::setrlimit(resource_, &before_); }

 private:
  const decltype(RLIMIT_NOFILE) resource_;
  rlimit before_ = {};
};

class Ingest : public ::testing::Test {
 protected:
  void SetUp() override {
    db_ = dir_.file("db");
    ASSERT_EQ(Leadline({"create", db_, "c", "--dim", "3", "--metric", "l2"}).exit_code, 0);
  }

  [[nodiscard]] uint64_t Count(const std::string& collection = "c") const {
    return Leadline({"count", db_, collection, "--json"}).OneJson()["count"].get<uint64_t>();
  }

  TempDir dir_;
  std::string db_;
};

TEST_F(Ingest, AcknowledgesEachBatchOnItsOwnLine) {
  std::string rows;
  for (int i = 0; i < 250; ++i) {
    rows += JsonlRow("r" + std::to_string(i), {1.0F * static_cast<float>(i), 0, 0});
  }
  WriteFile(dir_.file("rows.jsonl"), rows);
  for (const char* threads : {"1", "4"}) {
    const ProgramOutput result = Leadline({"ingest", db_, "c", dir_.file("rows.jsonl"), "--batch",
                                           "100", "--threads", threads, "--json"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const std::vector<Json> lines = result.JsonLines();
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_EQ(lines[0]["acked"], 100);
    EXPECT_EQ(lines[1]["acked"], 200);
    EXPECT_EQ(lines[2]["acked"], 250);
    EXPECT_LT(lines[0]["sequence"].get<uint64_t>(), lines[1]["sequence"].get<uint64_t>());
    EXPECT_EQ(lines[3]["done"], true);
    EXPECT_EQ(lines[3]["acked"], 250);
  }
  EXPECT_EQ(Count(), 250U);
}

TEST_F(Ingest, BadRowStopsWithItsLineAndKeepsWhatCameBefore) {
  struct Case {
    std::string bad;
    std::string expected;
  };

  int number = 0;
  for (const Case& wrong : std::vector<Case>{{"{\"id\":\"x\",\"vector\":[1,2]}", "3"},
                                             {"{\"id\":\"x\"}", "vector"},
                                             {"not json", "5"},
                                             {"{\"id\":\"\",\"vector\":[1,2,3]}", "id"},
                                             {"{\"id\":\"x\",\"vector\":[1,2,\"a\"]}", "vector"},
                                             {"{\"id\":\"x\",\"vector\":[1,2,1e99]}", "vector"}}) {
    const std::string name = "bad" + std::to_string(number++);
    ASSERT_EQ(Leadline({"create", db_, name, "--dim", "3", "--metric", "l2"}).exit_code, 0);
    std::string rows;
    for (int i = 0; i < 4; ++i) {
      rows += JsonlRow("r" + std::to_string(i), {1, 2, 3});
    }
    rows += wrong.bad + "\n" + JsonlRow("after", {1, 2, 3});
    WriteFile(dir_.file("bad.jsonl"), rows);
    const ProgramOutput stop =
        Leadline({"ingest", db_, name, dir_.file("bad.jsonl"), "--batch", "3", "--json"});
    EXPECT_EQ(stop.exit_code, 2) << wrong.bad;
    EXPECT_THAT(stop.err, HasSubstr("5")) << wrong.bad;
    EXPECT_THAT(stop.err, HasSubstr(wrong.expected));
    ASSERT_FALSE(stop.JsonLines().empty());
    EXPECT_EQ(stop.JsonLines().back()["acked"], 4);
    EXPECT_EQ(Count(name), 4U);

    const ProgramOutput skip =
        Leadline({"ingest", db_, name, dir_.file("bad.jsonl"), "--on-error", "skip", "--json"});
    EXPECT_EQ(skip.exit_code, 0) << skip.err;
    EXPECT_EQ(skip.JsonLines().back()["skipped"], 1);
    EXPECT_THAT(skip.JsonLines().back()["errors"][0].get<std::string>(), HasSubstr("5"));
    EXPECT_EQ(Count(name), 5U);
  }
}

TEST_F(Ingest, BadRowOfABeirFolderNamesTheFileWithin) {
  WriteFile(dir_.file("corpus.jsonl"), JsonlRow("a", {1, 2, 3}) + "\n" + JsonlRow("b", {1, 2}));
  const ProgramOutput result = Leadline({"ingest", db_, "c", dir_.file("")});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("corpus.jsonl line 3: wrong vector size"));
}

TEST_F(Ingest, NumbersRowsOfVectorFilesFromTheOffsetOnAcrossFiles) {
  WriteFile(dir_.file("a.fvecs"), FvecsBytes({{1, 0, 0}, {2, 0, 0}}));
  WriteFile(dir_.file("b.fvecs"), FvecsBytes({{3, 0, 0}}));
  const ProgramOutput result = Leadline({"ingest", db_, "c", dir_.file("a.fvecs"),
                                         dir_.file("b.fvecs"), "--id-offset", "40", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::vector<Json> rows =
      Leadline({"get", db_, "c", "40", "41", "42", "--json"}).JsonLines();
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[2]["vector"], Json({3, 0, 0}));
  const std::string cut = ReadFile(dir_.file("a.fvecs"));
  WriteFile(dir_.file("cut.fvecs"), cut.substr(0, cut.size() - 2));
  EXPECT_EQ(Leadline({"ingest", db_, "c", dir_.file("cut.fvecs")}).exit_code, 2);
}

TEST_F(Ingest, ReadsCsv) {
  WriteFile(dir_.file("t.csv"), "id,vector,year,title\na,\"1,2,3\",1999,\"x, y\"\n");
  ASSERT_EQ(Leadline({"ingest", db_, "c", dir_.file("t.csv")}).exit_code, 0);
  const Json row = Leadline({"get", db_, "c", "a", "--json"}).OneJson();
  EXPECT_EQ(row["payload"], Json({{"year", 1999}, {"title", "x, y"}}));
}

TEST_F(Ingest, UnclosedQuoteStopsEvenWhereBadRowsAreSkipped) {
  std::string rows = "id,vector,t\na,1 2 3,x\nbad,1 2,x\nb,1 2 3,\"open\n";
  for (int i = 0; i < 100; ++i) {
    rows += "r" + std::to_string(i) + ",1 2 3,x\n";
  }
  WriteFile(dir_.file("open.csv"), rows);
  const ProgramOutput result =
      Leadline({"ingest", db_, "c", dir_.file("open.csv"), "--on-error", "skip", "--json"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("quote not closed"));
  EXPECT_THAT(result.err, HasSubstr("line=4"));
  EXPECT_EQ(Count(), 1U);
}

TEST_F(Ingest, SecondWriterExitsWithFourAndNamesTheOwner) {
  std::string rows;
  for (int i = 0; i < 200'000; ++i) {
    rows += "{\"id\":\"" + std::to_string(i) + "\",\"vector\":[1,2,3]}\n";
  }
  WriteFile(dir_.file("many.jsonl"), rows);
  RunningProgram writer({"ingest", db_, "c", dir_.file("many.jsonl"), "--batch", "50", "--json"});
  std::string line;
  ASSERT_TRUE(writer.ReadLine(&line));
  const ProgramOutput second = Leadline({"delete", db_, "c", "1"});
  EXPECT_EQ(second.exit_code, 4);
  EXPECT_THAT(second.err, HasSubstr(std::to_string(writer.pid())));
  EXPECT_GE(Count(), 50U) << "readers work beside the writer";
}

TEST_F(Ingest, SignalStopsCleanlyAndWhatWasAcknowledgedIsThere) {
  std::string rows;
  for (int i = 0; i < 200'000; ++i) {
    rows += "{\"id\":\"" + std::to_string(i) + "\",\"vector\":[" + std::to_string(i) + ",2,3]}\n";
  }
  WriteFile(dir_.file("many.jsonl"), rows);
  for (const int signal_number : {SIGINT, SIGTERM}) {
    RunningProgram writer(
        {"ingest", db_, "c", dir_.file("many.jsonl"), "--batch", "100", "--json"});
    std::string line;
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(writer.ReadLine(&line));
    }
    writer.Signal(signal_number);
    const ProgramOutput stopped = writer.Wait();
    EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
    EXPECT_THAT(stopped.err, HasSubstr("acknowledged"));
    const uint64_t acked = stopped.JsonLines().back()["acked"].get<uint64_t>();
    EXPECT_GE(acked, 300U);
    EXPECT_GE(Count(), acked);
    const std::string last = std::to_string(acked - 1);
    EXPECT_EQ(Leadline({"get", db_, "c", "0", last}).exit_code, 0);
    EXPECT_EQ(Leadline({"check", db_}).exit_code, 0);
  }
}

TEST_F(Ingest, KilledWriterLosesNothingAcknowledged) {
  std::string rows;
  for (int i = 0; i < 200'000; ++i) {
    rows += "{\"id\":\"" + std::to_string(i) + "\",\"vector\":[" + std::to_string(i) + ",2,3]}\n";
  }
  WriteFile(dir_.file("many.jsonl"), rows);
  RunningProgram writer({"ingest", db_, "c", dir_.file("many.jsonl"), "--batch", "100", "--json"});
  std::string line;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(writer.ReadLine(&line));
  }
  writer.Signal(SIGKILL);
  const ProgramOutput killed = writer.Wait();
  const uint64_t acked = killed.JsonLines().back()["acked"].get<uint64_t>();
  const uint64_t count = Count();
  EXPECT_GE(count, acked);
  EXPECT_EQ(count % 100, 0U) << "batches are all or none";
}

TEST_F(Ingest, LimitsOfTheSystemEndInAnErrorAndLoseNothingAcknowledged) {
  std::string rows;
  for (int i = 0; i < 4000; ++i) {
    rows += JsonlRow(std::to_string(i), {static_cast<float>(i), 2, 3});
  }
  const std::string file = dir_.file("rows.jsonl");
  WriteFile(file, rows);
  const auto run_within = [&](decltype(RLIMIT_NOFILE) resource, rlim_t value) {
    SCOPED_TRACE("limit " + std::to_string(value));
    ProgramOutput result;
    {
      const LoweredLimit limit(resource, value);
      result = Leadline({"ingest", db_, "c", file, "--batch", "400", "--json"});
      EXPECT_THAT(Leadline({"optimize", db_}).exit_code, AnyOf(0, 4));
    }
    EXPECT_THAT(result.exit_code, AnyOf(0, 4)) << result.err;
    EXPECT_EQ(result.exit_code != 0, result.err.find("leadline: ") != std::string::npos)
        << result.err;
    const std::vector<Json> lines = result.JsonLines();
    EXPECT_GE(Count(), lines.empty() ? 0U : lines.back()["acked"].get<uint64_t>());
    EXPECT_EQ(Leadline({"check", db_}).exit_code, 0);
    return result.exit_code;
  };
  // UBSan takes every object for damaged when it gets no pipe to look at it.
  if (!testing::kSanitized) {
    EXPECT_EQ(run_within(RLIMIT_NOFILE, 12), 4);
    for (rlim_t files = 14; files < 32; files += 3) {
      run_within(RLIMIT_NOFILE, files);
    }
  }
  EXPECT_EQ(run_within(RLIMIT_FSIZE, 100'000), 4);
  EXPECT_EQ(run_within(RLIMIT_NOFILE, 256), 0);
  EXPECT_EQ(Count(), 4000U);
}

TEST_F(Ingest, EmbedsTextFieldsAndChunks) {
  ASSERT_EQ(
      Leadline({"create", db_, "docs", "--embedder", "static", "--text", "title", "--text", "text"})
          .exit_code,
      0);
  WriteFile(dir_.file("corpus.jsonl"),
            "{\"_id\":\"cats\",\"title\":\"About cats\",\"text\":\"Cats sleep all day. They purr "
            "when they are happy. A kitten is a young cat.\"}\n"
            "{\"_id\":\"law\",\"title\":\"Tax law\",\"text\":\"The court ruled on the income tax. "
            "Lawyers argued about the statute.\"}\n");
  ASSERT_EQ(Leadline({"ingest", db_, "docs", dir_.file("corpus.jsonl")}).exit_code, 0);
  const Json found =
      Leadline({"search", db_, "docs", "--text", "a purring kitten", "-k", "1", "--json"})
          .OneJson();
  EXPECT_EQ(found["hits"][0]["id"], "cats");
  EXPECT_EQ(found["metric"], "cosine");

  ASSERT_EQ(Leadline({"create", db_, "chunks", "--embedder", "static"}).exit_code, 0);
  ASSERT_EQ(Leadline({"ingest", db_, "chunks", dir_.file("corpus.jsonl"), "--chunk", "sentences:2"})
                .exit_code,
            0);
  const std::vector<Json> chunks = Leadline({"scroll", db_, "chunks", "--json"}).JsonLines();
  ASSERT_EQ(chunks.size(), 3U);
  EXPECT_EQ(chunks[0]["id"], "cats#0");
  EXPECT_EQ(chunks[1]["id"], "cats#1");
  EXPECT_EQ(chunks[1]["payload"]["doc_id"], "cats");
  EXPECT_EQ(chunks[1]["payload"]["chunk"], 1);
  EXPECT_EQ(chunks[1]["payload"]["text"], "A kitten is a young cat.");
  EXPECT_EQ(chunks[1]["payload"]["title"], "About cats");

  // A document that became shorter leaves no old chunk behind, also twice in one batch.
  WriteFile(dir_.file("again.jsonl"),
            "{\"_id\":\"cats\",\"title\":\"Cats\",\"text\":\"One. Two. Three. Four. Five. Six.\"}\n"
            "{\"_id\":\"cats\",\"title\":\"Cats\",\"text\":\"A kitten is a young cat.\"}\n");
  ASSERT_EQ(Leadline({"ingest", db_, "chunks", dir_.file("again.jsonl"), "--chunk", "sentences:2"})
                .exit_code,
            0);
  const std::vector<Json> left = Leadline({"scroll", db_, "chunks", "--json"}).JsonLines();
  ASSERT_EQ(left.size(), 2U);
  EXPECT_EQ(left[0]["id"], "law#0");
  EXPECT_EQ(left[1]["id"], "cats#0");
  EXPECT_EQ(left[1]["payload"]["text"], "A kitten is a young cat.");
  WriteFile(dir_.file("long.jsonl"), "{\"_id\":\"" + std::string(511, 'x') +
                                         "\",\"text\":\"A cat sleeps.\"}\n" + "{\"_id\":\"" +
                                         std::string(510, 'y') + "\",\"text\":\"A dog barks.\"}\n");
  const ProgramOutput skipped =
      Leadline({"ingest", db_, "chunks", dir_.file("long.jsonl"), "--chunk", "sentences:2",
                "--on-error", "skip", "--json"});
  EXPECT_EQ(skipped.exit_code, 0) << skipped.err;
  EXPECT_EQ(Leadline({"count", db_, "chunks", "--json"}).OneJson()["count"], 3);
  WriteFile(dir_.file("taken.jsonl"), "{\"_id\":\"x\",\"text\":\"A cat.\",\"chunk\":\"mine\"}\n");
  const ProgramOutput taken =
      Leadline({"ingest", db_, "chunks", dir_.file("taken.jsonl"), "--chunk", "sentences:2"});
  EXPECT_EQ(taken.exit_code, 2);
  EXPECT_THAT(taken.err, HasSubstr("field=chunk value=\"mine\""));

  WriteFile(
      dir_.file("vector.jsonl"),
      "{\"_id\":\"x\",\"text\":\"A cat.\"}\n{\"_id\":\"y\",\"text\":\"A cat.\",\"vector\":[1,2]}\n"
      "{\"_id\":\"z\",\"text\":\"A cat.\",\"vectors\":{\"default\":[1]}}\n");
  const ProgramOutput whole =
      Leadline({"ingest", db_, "chunks", dir_.file("vector.jsonl"), "--chunk", "sentences:2"});
  EXPECT_EQ(whole.exit_code, 2);
  EXPECT_THAT(whole.err, HasSubstr("vector.jsonl line 2: a record with a vector of its own"));
  EXPECT_THAT(whole.err, HasSubstr("field=vector value=given limit=none with --chunk"));
  const ProgramOutput left_out =
      Leadline({"ingest", db_, "chunks", dir_.file("vector.jsonl"), "--chunk", "sentences:2",
                "--on-error", "skip", "--json"});
  EXPECT_EQ(left_out.exit_code, 0) << left_out.err;
  EXPECT_EQ(left_out.JsonLines().back()["skipped"], 2);
  EXPECT_THAT(left_out.JsonLines().back()["errors"][1].get<std::string>(),
              HasSubstr("line 3: a record with a vector of its own"));

  ASSERT_EQ(Leadline({"create", db_, "tokens", "--embedder", "static"}).exit_code, 0);
  ASSERT_EQ(Leadline({"ingest", db_, "tokens", dir_.file("corpus.jsonl"), "--chunk", "tokens:6,2"})
                .exit_code,
            0);
  EXPECT_GT(Leadline({"count", db_, "tokens", "--json"}).OneJson()["count"].get<int>(), 4);
}

TEST_F(Ingest, TextWithoutKnownWordsIsABadRow) {
  ASSERT_EQ(Leadline({"create", db_, "docs", "--embedder", "static"}).exit_code, 0);
  WriteFile(dir_.file("empty.jsonl"), "{\"_id\":\"e\",\"title\":\"\",\"text\":\"\"}\n");
  const ProgramOutput result = Leadline({"ingest", db_, "docs", dir_.file("empty.jsonl")});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("text"));
  EXPECT_THAT(result.err, HasSubstr("--on-error skip"));
}

}  // namespace
}  // namespace leadline::testing
