#include "leadline/eval/judgments.h"

#include <filesystem>

#include "dataset_files.h"

namespace leadline::eval {
namespace {

using testing::StatusIs;

class Judgments : public ::testing::Test {
 protected:
  Result<Qrels> ReadJudgments(const std::string& contents, TrecRules rules = TrecRules::kTrec10) {
    return ReadQrels(FileSystem::Posix(), files_.Write("qrels", contents), rules);
  }

  Result<RankedRun> ReadResults(const std::string& contents, TrecRules rules = TrecRules::kTrec10) {
    return ReadRun(FileSystem::Posix(), files_.Write("run", contents), rules);
  }

  DatasetFiles files_;
};

TEST_F(Judgments, TrecQrelsAreGroupedByQuery) {
  ASSERT_OK_AND_ASSIGN(const Qrels qrels,
                       ReadJudgments("# comment\n1 0 d1 2\n2\t0\td1\t-1\n\n1 0 d2 0\r\n"));
  ASSERT_EQ(qrels.queries.size(), 2U);
  EXPECT_EQ(qrels.queries[0].id, "1");
  ASSERT_EQ(qrels.queries[0].docs.size(), 2U);
  EXPECT_EQ(qrels.queries[0].docs[1].id, "d2");
  EXPECT_EQ(qrels.queries[1].docs[0].relevance, -1);
}

TEST_F(Judgments, BeirQrelsAreReadWithAndWithoutHeader) {
  for (const char* header : {"query-id\tcorpus-id\tscore\n", ""}) {
    ASSERT_OK_AND_ASSIGN(const Qrels qrels,
                         ReadJudgments(std::string(header) + "q 1\td 1\t1\nq 2\td 2\t0\n"));
    ASSERT_EQ(qrels.queries.size(), 2U);
    EXPECT_EQ(qrels.queries[0].id, "q 1");
    EXPECT_EQ(qrels.queries[1].docs[0].id, "d 2");
  }
}

TEST_F(Judgments, BeirFolderGivesItsTestSplit) {
  ASSERT_OK_AND_ASSIGN(
      const Qrels qrels,
      ReadQrels(FileSystem::Posix(), LEADLINE_SOURCE_DIR "/examples/scifact", TrecRules::kTrec10));
  EXPECT_EQ(qrels.queries.size(), 300U);
}

TEST_F(Judgments, BadJudgmentsNameTheirLine) {
  for (const char* bad : {"1 0 d", "1 0 d 1 x", "1 0 d x", "1 0 d 1.5", "1 0 d 3000000000", "1",
                          "1 0 \xff 1", "# no comment in trec9"}) {
    EXPECT_THAT(ReadJudgments("1 0 a 1\n" + std::string(bad) + "\n", TrecRules::kTrec9),
                StatusIs(StatusCode::kInvalidArgument, "line=2"))
        << bad;
  }
  EXPECT_THAT(ReadJudgments("query-id\tcorpus-id\tscore\nq\td\n"),
              StatusIs(StatusCode::kInvalidArgument, "line=2"));
  EXPECT_THAT(ReadJudgments("query-id\tcorpus-id\tscore\n\td\t1\n"),
              StatusIs(StatusCode::kInvalidArgument, "line=2"));
}

TEST_F(Judgments, RunKeepsScoresAndTag) {
  ASSERT_OK_AND_ASSIGN(const RankedRun run,
                       ReadResults("#c\n1 Q0 a 1 2.5 tag\n2 Q0 a 1 -1e-400 tag extra words\n"
                                   "1\tQ0\tb\t9\t+3\tlast\n"));
  EXPECT_EQ(run.tag, "last");
  ASSERT_EQ(run.queries.size(), 2U);
  ASSERT_EQ(run.queries[0].docs.size(), 2U);
  EXPECT_EQ(run.queries[0].docs[0].score, 2.5);
  EXPECT_EQ(run.queries[0].docs[1].score, 3);
  EXPECT_EQ(run.queries[1].docs[0].score, 0);
}

TEST_F(Judgments, BadResultsNameTheirLine) {
  for (const char* bad : {"1 Q0 d 1 2.5", "1 Q0 d 1 x tag", "1 Q0 d 1 nan tag", "1 Q0 d 1 inf tag",
                          "1 Q0 d 1 1e999 tag", "1 Q0 d 1 2.5x tag", "1", "1 Q0 \xc3 1 1 t"}) {
    EXPECT_THAT(ReadResults("1 Q0 a 1 1 t\n" + std::string(bad) + "\n"),
                StatusIs(StatusCode::kInvalidArgument, "line=2"))
        << bad;
  }
}

TEST_F(Judgments, DocumentGivenTwiceNamesFileAndBothLines) {
  const std::vector<Measure> measures = OfficialMeasures();
  ASSERT_OK_AND_ASSIGN(const Qrels qrels, ReadJudgments("1 0 a 1\n1 0 b 1\n"));
  ASSERT_OK_AND_ASSIGN(const RankedRun run, ReadResults("1 Q0 a 1 2 t\n"));
  ASSERT_OK_AND_ASSIGN(
      const Qrels judged_twice,
      ReadQrels(FileSystem::Posix(), files_.Write("q2", "1 0 a 1\n\n2 0 a 1\n1 0 a 1\n"),
                TrecRules::kTrec10));
  EXPECT_THAT(Score(run, judged_twice, measures, {}),
              StatusIs(StatusCode::kInvalidArgument,
                       "file=" + files_.path("q2") + " line=4 first_line=1 query=1 document=a"));
  ASSERT_OK_AND_ASSIGN(const RankedRun returned_twice,
                       ReadResults("1 Q0 b 1 2 t\n#\n1 Q0 a 2 1 t\n1 Q0 a 3 0 t\n"));
  EXPECT_THAT(Score(returned_twice, qrels, measures, {}),
              StatusIs(StatusCode::kInvalidArgument,
                       "file=" + files_.path("run") + " line=4 first_line=3 query=1 document=a"));
}

TEST_F(Judgments, RowsAndBytesAreCapped) {
  ReadLimits two;
  two.rows = 2;
  ReadLimits small;
  small.bytes = 300;
  const std::string qrels = files_.Write("qrels", "1 0 a 1\n1 0 b 1\n1 0 c 1\n");
  const std::string run = files_.Write("run", "1 Q0 a 1 3 t\n1 Q0 b 2 2 t\n1 Q0 c 3 1 t\n");
  const std::string truth = files_.Write("t.ivecs", MakeVecs<int32_t>({{1, 2}, {3, 4}, {5, 6}}));
  FileSystem* const fs = FileSystem::Posix();
  for (const auto& [limits, text] :
       {std::pair<ReadLimits, const char*>{two, "field=rows value=3 limit=2"},
        {small, "limit=300"}}) {
    EXPECT_THAT(ReadQrels(fs, qrels, TrecRules::kTrec10, limits),
                StatusIs(StatusCode::kInvalidArgument, text));
    EXPECT_THAT(ReadRun(fs, run, TrecRules::kTrec10, limits),
                StatusIs(StatusCode::kInvalidArgument, text));
  }
  EXPECT_THAT(ReadTruth(fs, truth, FileFormat::kAuto, two),
              StatusIs(StatusCode::kInvalidArgument, "limit=2"));
  small.bytes = 40;
  EXPECT_THAT(ReadTruth(fs, truth, FileFormat::kAuto, small),
              StatusIs(StatusCode::kInvalidArgument, "limit=40"));
  two.rows = 3;
  EXPECT_OK(ReadQrels(fs, qrels, TrecRules::kTrec10, two));
  EXPECT_OK(ReadRun(fs, run, TrecRules::kTrec10, two));
  EXPECT_OK(ReadTruth(fs, truth, FileFormat::kAuto, two));
}

TEST_F(Judgments, EmptyFilesHaveNoQueries) {
  ASSERT_OK_AND_ASSIGN(const Qrels qrels, ReadJudgments(""));
  EXPECT_TRUE(qrels.queries.empty());
  ASSERT_OK_AND_ASSIGN(const RankedRun run, ReadResults("\n\n"));
  EXPECT_TRUE(run.queries.empty());
}

TEST_F(Judgments, SurvivesEveryTruncationAndFlippedBit) {
  const auto check = [](const Status& status) {
    if (!status.ok()) {
      EXPECT_THAT(status, StatusIs(StatusCode::kInvalidArgument));
    }
  };
  ExpectSurvivesDamage("1 0 d1 2\n2 0 d1 -1\n", 1,
                       [&](const std::string& s) { check(ReadJudgments(s).status()); });
  ExpectSurvivesDamage("query-id\tcorpus-id\tscore\n1\td\t1\n", 1,
                       [&](const std::string& s) { check(ReadJudgments(s).status()); });
  ExpectSurvivesDamage("1 Q0 a 1 2.5 tag\n2 Q0 \xc3\xa9 1 -1e-4 tag\n", 1,
                       [&](const std::string& s) { check(ReadResults(s).status()); });
}

TEST_F(Judgments, TruthKeepsRowsAndMissingNeighbours) {
  const std::string path = files_.Write("t.ivecs", MakeVecs<int32_t>({{3, 1, -1}, {2, -1, -1}}));
  ASSERT_OK_AND_ASSIGN(const NeighborTruth truth,
                       ReadTruth(FileSystem::Posix(), path, FileFormat::kAuto));
  EXPECT_EQ(truth.queries, 2U);
  EXPECT_EQ(truth.k, 3U);
  EXPECT_EQ(truth.row(1)[0], 2);
  EXPECT_EQ(truth.row(1)[1], -1);
  EXPECT_TRUE(truth.distances.empty());
}

TEST_F(Judgments, TruthOfOtherTypesIsRefused) {
  EXPECT_THAT(ReadTruth(FileSystem::Posix(), files_.Write("t.fvecs", MakeVecs<float>({{1}})),
                        FileFormat::kAuto),
              StatusIs(StatusCode::kInvalidArgument, "element type"));
  EXPECT_THAT(ReadTruth(FileSystem::Posix(), files_.Write("t.ivecs", MakeVecs<int32_t>({{-2}})),
                        FileFormat::kAuto),
              StatusIs(StatusCode::kInvalidArgument, "ids[0]"));
  EXPECT_THAT(ReadTruth(FileSystem::Posix(), files_.Write("t.jsonl", "{}"), FileFormat::kAuto),
              StatusIs(StatusCode::kInvalidArgument, "not a format of vectors"));
}

}  // namespace
}  // namespace leadline::eval
