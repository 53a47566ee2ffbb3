#include "leadline/eval/ground_reader.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leadline/core/file_system.h"
#include "leadline/core/rng.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GroundReaderTest : public ::testing::Test {
 protected:
  std::unique_ptr<GroundReader> Open(const std::string& contents) {
    const std::string path = dir_.file("in.jsonl");
    EXPECT_OK(WriteFileAtomically(FileSystem::Posix(), path, contents));
    auto reader = GroundReader::Open(FileSystem::Posix(), path);
    EXPECT_OK(reader);
    return reader.ok() ? std::move(*reader) : nullptr;
  }

  Status ErrorOf(const std::string& contents) {
    const auto reader = Open(contents);
    for (;;) {
      auto record = reader->Next();
      if (!record.ok()) {
        return record.status();
      }
      if (!record->has_value()) {
        return OkStatus();
      }
    }
  }

  testing::TempDir dir_;
};

TEST_F(GroundReaderTest, ReadsEveryField) {
  const auto reader = Open(
      "\xEF\xBB\xBF{\"id\":\"a\",\"response\":\"r\",\"contexts\":[\"c\",\"d\"],\"question\":\"q\","
      "\"label\":1,\"other\":{\"deep\":[1,[2]]}}\r\n\n"
      "{\"id\":7,\"response\":\"\",\"contexts\":[],\"label\":false}");
  ASSERT_OK_AND_ASSIGN(const auto first, reader->Next());
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->input.id, "a");
  EXPECT_EQ(first->input.response, "r");
  EXPECT_THAT(first->input.contexts, ElementsAre("c", "d"));
  EXPECT_EQ(first->input.question, "q");
  EXPECT_EQ(first->grounded, true);
  EXPECT_EQ(first->line, 1U);
  ASSERT_OK_AND_ASSIGN(const auto second, reader->Next());
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->input.id, "7");
  EXPECT_EQ(second->grounded, false);
  EXPECT_EQ(second->line, 3U);
  ASSERT_OK_AND_ASSIGN(const auto end, reader->Next());
  EXPECT_FALSE(end.has_value());
}

TEST_F(GroundReaderTest, NamesLineAndFieldOfABadLine) {
  const std::string good = "{\"id\":\"a\",\"response\":\"r\",\"contexts\":[\"c\"]}\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{", "not valid JSON"},
      {"[1]", "not a JSON object"},
      {"{\"response\":\"r\",\"contexts\":[]}", "id"},
      {"{\"id\":\"a\",\"contexts\":[]}", "response"},
      {"{\"id\":\"a\",\"response\":\"r\"}", "contexts"},
      {"{\"id\":\"a\",\"response\":3,\"contexts\":[]}", "response"},
      {"{\"id\":\"a\",\"response\":\"r\",\"contexts\":\"c\"}", "contexts"},
      {"{\"id\":\"a\",\"response\":\"r\",\"contexts\":[1]}", "contexts"},
      {"{\"id\":\"a\",\"response\":\"r\",\"contexts\":[[\"c\"]]}", "contexts"},
      {"{\"id\":\"a\",\"response\":\"r\",\"contexts\":[],\"label\":2}", "label"},
      {"{\"id\":\"a\",\"response\":\"r\",\"contexts\":[],\"label\":\"yes\"}", "label"},
      {"{\"id\":\"a\",\"response\":\"\xff\",\"contexts\":[]}", "UTF-8"},
      {"{\"id\":1.5,\"response\":\"r\",\"contexts\":[]}",
       "field=id value=number limit=string or integer"},
      {"{\"response\":\"r\",\"contexts\":[]}", "field=id value= limit=string or integer"},
      {good.substr(0, good.size() - 1) + std::string(1, '\0') + good, "not valid JSON"},
      {"{\"id\":\"b\",\"id\":\"c\",\"response\":\"r\",\"contexts\":[]}", "given twice: field=id"},
      {"{\"id\":\"b\",\"response\":\"r\",\"response\":\"s\",\"contexts\":[]}",
       "given twice: field=response"},
      {"{\"id\":\"b\",\"response\":\"r\",\"contexts\":[],\"label\":1,\"label\":0}",
       "given twice: field=label"},
      {"{\"id\":\"a\",\"response\":\"s\",\"contexts\":[]}",
       "response given twice: field=id value=a limit=once, first on line 1"},
  };
  for (const auto& [line, text] : cases) {
    const Status status = ErrorOf(good + line + "\n" + good);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << line;
    EXPECT_THAT(status.message(), HasSubstr("in.jsonl:2: ")) << line;
    EXPECT_THAT(status.message(), HasSubstr(text)) << line;
  }
}

TEST_F(GroundReaderTest, UnknownFieldsMayRepeatAndIdsCompareAsText) {
  EXPECT_OK(
      ErrorOf("{\"id\":\"a\",\"x\":1,\"x\":{\"id\":2},\"response\":\"r\",\"contexts\":[]}\n"));
  EXPECT_THAT(ErrorOf("{\"id\":7,\"response\":\"r\",\"contexts\":[]}\n\n"
                      "{\"id\":\"7\",\"response\":\"r\",\"contexts\":[]}\n")
                  .message(),
              HasSubstr("in.jsonl:3: response given twice: field=id value=7 limit=once, first on "
                        "line 1"));
}

TEST_F(GroundReaderTest, GoesOnAfterABadLine) {
  const auto reader = Open("{\n{\"id\":\"a\",\"response\":\"r\",\"contexts\":[]}\n");
  EXPECT_THAT(reader->Next(), testing::StatusIs(StatusCode::kInvalidArgument));
  ASSERT_OK_AND_ASSIGN(const auto next, reader->Next());
  EXPECT_TRUE(next.has_value());
}

TEST_F(GroundReaderTest, RefusesTooManyContextsAndTooLongLines) {
  std::string contexts = "\"c\"";
  for (size_t i = 0; i < kMaxGroundContexts; ++i) {
    contexts += ",\"c\"";
  }
  EXPECT_THAT(
      ErrorOf("{\"id\":\"a\",\"response\":\"r\",\"contexts\":[" + contexts + "]}").message(),
      HasSubstr("limit=" + std::to_string(kMaxGroundContexts)));
  const std::string long_line(kMaxGroundLineBytes + (size_t{2} << 20), 'x');
  EXPECT_THAT(ErrorOf("\n" + long_line).message(), HasSubstr("in.jsonl:2: line is too long"));
}

TEST_F(GroundReaderTest, DropsDeepNestingWithoutRecursion) {
  const std::string deep(200000, '[');
  const Status status =
      ErrorOf("{\"id\":\"a\",\"response\":\"r\",\"contexts\":[],\"x\":" + deep + "\n");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
}

TEST_F(GroundReaderTest, SurvivesTruncationAndFlippedBits) {
  const std::string line =
      "{\"id\":\"a\",\"response\":\"r\\u00e9\",\"contexts\":[\"c\"],\"question\":null,\"label\":0}"
      "\n";
  for (size_t size = 0; size < line.size(); ++size) {
    ErrorOf(line.substr(0, size)).IgnoreError();
  }
  constexpr uint64_t kSeed = 5;
  Rng rng(kSeed);
  for (int i = 0; i < 300; ++i) {
    std::string damaged = line + line;
    damaged[rng.Uniform(damaged.size())] ^= static_cast<char>(1U << rng.Uniform(8));
    ErrorOf(damaged).IgnoreError();
  }
}

TEST_F(GroundReaderTest, ReportsAMissingFile) {
  EXPECT_THAT(GroundReader::Open(FileSystem::Posix(), dir_.file("none")),
              testing::StatusIs(StatusCode::kNotFound));
}

TEST_F(GroundReaderTest, RefusesADirectory) {
  EXPECT_THAT(GroundReader::Open(FileSystem::Posix(), dir_.file("")),
              testing::StatusIs(StatusCode::kInvalidArgument, "field=path"));
}

}  // namespace
}  // namespace leadline
