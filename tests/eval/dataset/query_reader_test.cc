#include "leadline/eval/query_reader.h"

#include <filesystem>

#include "dataset_files.h"

namespace leadline::eval {
namespace {

using testing::StatusIs;

class QueryReader : public ::testing::Test {
 protected:
  Result<std::vector<InputQuery>> Read(const std::string& name, const std::string& contents,
                                       const QueryReaderOptions& options = {}) {
    return ReadQueries(FileSystem::Posix(), files_.Write(name, contents), FileFormat::kAuto,
                       options);
  }

  DatasetFiles files_;
};

TEST_F(QueryReader, JsonlQueriesHaveVectorOrText) {
  ASSERT_OK_AND_ASSIGN(const auto queries,
                       Read("q.jsonl",
                            "{\"_id\":\"1\",\"text\":\"what?\",\"metadata\":{}}\n"
                            "{\"id\":\"2\",\"vector\":[1,2]}\n"
                            "{\"id\":\"x\",\"vector\":[3],\"text\":\"t\",\"filter\":\"y = 1\"}\n"));
  ASSERT_EQ(queries.size(), 3U);
  EXPECT_EQ(queries[0].id, "1");
  EXPECT_EQ(queries[0].text, "what?");
  EXPECT_EQ(queries[1].vector, (std::vector<float>{1, 2}));
  EXPECT_EQ(queries[2].text, "t");
  EXPECT_EQ(queries[2].filter, "y = 1");
}

TEST_F(QueryReader, AnEmptyTextIsAQuery) {
  ASSERT_OK_AND_ASSIGN(
      const auto queries,
      Read("q.jsonl", "{\"_id\":\"1\",\"text\":\"\"}\n{\"_id\":\"2\",\"text\":\"what?\"}\n"));
  ASSERT_EQ(queries.size(), 2U);
  EXPECT_EQ(queries[0].id, "1");
  EXPECT_EQ(queries[0].text, "");
  EXPECT_TRUE(queries[0].vector.empty());
}

TEST_F(QueryReader, QueriesWithoutIdAreNumbered) {
  ASSERT_OK_AND_ASSIGN(const auto queries,
                       Read("q.jsonl", "{\"text\":\"a\"}\n\n{\"vector\":[1]}\n"));
  ASSERT_EQ(queries.size(), 2U);
  EXPECT_EQ(queries[0].id, "0");
  EXPECT_EQ(queries[1].id, "1");
  EXPECT_EQ(queries[1].row, 3U);
}

TEST_F(QueryReader, VectorFilesAreQueriesByRowNumber) {
  QueryReaderOptions options;
  options.max_queries = 2;
  ASSERT_OK_AND_ASSIGN(const auto queries,
                       Read("q.fvecs", MakeVecs<float>({{1}, {2}, {3}}), options));
  ASSERT_EQ(queries.size(), 2U);
  EXPECT_EQ(queries[1].id, "1");
  EXPECT_EQ(queries[1].vector, std::vector<float>{2});
}

TEST_F(QueryReader, BadQueriesNameTheirLine) {
  for (const char* bad : {"{\"id\":\"a\"}", "{\"text\":5}", "{\"text\":\"a\",\"filter\":[]}",
                          "{\"text\":null}", "{\"vector\":[]}", "nonsense"}) {
    EXPECT_THAT(Read("q.jsonl", "{\"text\":\"fine\"}\n" + std::string(bad) + "\n"),
                StatusIs(StatusCode::kInvalidArgument, "line=2"))
        << bad;
  }
  EXPECT_THAT(Read("q.jsonl", "{\"id\":\"a\",\"text\":\"x\"}\n{\"id\":\"a\",\"text\":\"y\"}\n"),
              StatusIs(StatusCode::kInvalidArgument,
                       "line=2 field=id value=a limit=once, first on "
                       "line 1"));
}

TEST_F(QueryReader, BadQueryOfABeirFolderNamesItsFileAndLine) {
  files_.Write("queries.jsonl", "{\"_id\":\"1\",\"text\":\"x\"}\n{\"_id\":\"2\"}\n");
  EXPECT_THAT(
      ReadQueries(FileSystem::Posix(), files_.folder(), FileFormat::kAuto, {}),
      StatusIs(StatusCode::kInvalidArgument, "file=" + files_.path("queries.jsonl") + " line=2"));
}

TEST_F(QueryReader, RowsAndBytesAreCapped) {
  const std::string three = MakeVecs<float>({{1, 2}, {3, 4}, {5, 6}});
  QueryReaderOptions options;
  options.limits.rows = 3;
  EXPECT_OK(Read("q.fvecs", three, options));
  options.limits.rows = 2;
  EXPECT_THAT(Read("q.fvecs", three, options),
              StatusIs(StatusCode::kInvalidArgument, "field=rows value=3 limit=2"));
  options.limits = {};
  options.limits.bytes = 5000;
  EXPECT_THAT(Read("q.jsonl", "{\"text\":\"" + std::string(5000, 'x') + "\"}\n", options),
              StatusIs(StatusCode::kInvalidArgument, "limit=5000"));
}

TEST_F(QueryReader, ReadsScifact) {
  ASSERT_OK_AND_ASSIGN(const auto queries,
                       ReadQueries(FileSystem::Posix(), LEADLINE_SOURCE_DIR "/examples/scifact",
                                   FileFormat::kAuto, {}));
  EXPECT_EQ(queries.size(), 1109U);
}

}  // namespace
}  // namespace leadline::eval
