#include <nlohmann/json.hpp>

#include "dataset_files.h"

namespace leadline::eval {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

class CsvReader : public ::testing::Test {
 protected:
  ReadOutcome Read(const std::string& contents) {
    return ReadAll(files_.Write("records.csv", contents));
  }

  DatasetFiles files_;
};

TEST_F(CsvReader, ColumnsBecomeIdVectorAndPayload) {
  const ReadOutcome outcome = Read(
      "id,title,vector,year,flag,code\r\n"
      "a,\"one, \"\"two\"\"\",\"[1, 2.5]\",2020,true,\"007\"\r\n"
      "b,plain,1 2;3,-1.5e3,no,007\r\n"
      "c,,\"0.5\",,,\"\"\r\n");
  ASSERT_OK(outcome.fatal);
  ASSERT_TRUE(outcome.bad_rows.empty()) << outcome.bad_rows[0].ToString();
  ASSERT_EQ(outcome.records.size(), 3U);
  EXPECT_EQ(outcome.records[0].id, "a");
  EXPECT_EQ(outcome.records[0].vector, (std::vector<float>{1, 2.5F}));
  EXPECT_EQ(outcome.records[0].payload_json,
            R"({"title":"one, \"two\"","year":2020,"flag":true,"code":"007"})");
  EXPECT_EQ(outcome.records[1].vector, (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(outcome.records[1].payload_json,
            R"({"title":"plain","year":-1.5e3,"flag":"no","code":"007"})");
  EXPECT_EQ(outcome.records[2].payload_json, R"({"code":""})");
  EXPECT_EQ(outcome.records[2].row, 4U);
}

TEST_F(CsvReader, QuotedCellsMaySpanLines) {
  const ReadOutcome outcome = Read("id,t\na,\"x\n\ny\"\nb,z\n");
  ASSERT_EQ(outcome.records.size(), 2U);
  EXPECT_EQ(outcome.records[0].payload_json, R"({"t":"x\n\ny"})");
  EXPECT_EQ(outcome.records[1].row, 5U);
}

TEST_F(CsvReader, QuotedCellsKeepTheirLineEnds) {
  const ReadOutcome outcome =
      Read("id,t,vector\r\na,\"x\r\n\r\ny\nz\r\",\"1\r\n2\"\r\nb,x,1 2\r\n");
  ASSERT_OK(outcome.fatal);
  ASSERT_EQ(outcome.records.size(), 2U);
  EXPECT_EQ(outcome.records[0].payload_json, R"({"t":"x\r\n\r\ny\nz\r"})");
  EXPECT_EQ(outcome.records[0].vector, (std::vector<float>{1, 2}));
  EXPECT_EQ(outcome.records[1].row, 7U);
}

TEST_F(CsvReader, NumbersBeyondADoubleStayText) {
  const ReadOutcome outcome = Read("id,t\na,71e8432\nb,-1e400\nc,1e308\nd,\"1e308\"\ne,1e-999\n");
  ASSERT_OK(outcome.fatal);
  const char* const expected[] = {R"({"t":"71e8432"})", R"({"t":"-1e400"})", R"({"t":1e308})",
                                  R"({"t":"1e308"})", R"({"t":"1e-999"})"};
  ASSERT_EQ(outcome.records.size(), std::size(expected));
  for (size_t i = 0; i < std::size(expected); ++i) {
    EXPECT_EQ(outcome.records[i].payload_json, expected[i]);
  }
}

TEST_F(CsvReader, RowsWithoutIdColumnAreNumbered) {
  RecordReaderOptions options;
  options.id_offset = 10;
  const ReadOutcome outcome =
      ReadAll(files_.Write("r.csv", "t\nx\nbad,row\ny\n"), FileFormat::kCsv, options);
  ASSERT_EQ(outcome.records.size(), 2U);
  EXPECT_EQ(outcome.records[0].id, "10");
  EXPECT_EQ(outcome.records[1].id, "12");
}

TEST_F(CsvReader, BadRowsAreNumberedAndTheRestIsRead) {
  const ReadOutcome outcome = Read(
      "id,vector\n"
      "a,1 x\n"
      "b,1,2\n"
      "c\n"
      ",1\n"
      "d,1e39\n"
      "e,\"1\"x\n"
      "f,nan\n"
      "g,\n"
      "h\xff,1\n"
      "i,[1\n"
      "last,1\n");
  ASSERT_OK(outcome.fatal);
  ASSERT_EQ(outcome.records.size(), 1U);
  EXPECT_EQ(outcome.records[0].id, "last");
  const char* const expected[] = {"not a number", "columns",         "columns",      "id length",
                                  "out of range", "after a closing", "out of range", "empty vector",
                                  "not UTF-8",    "bracket"};
  ASSERT_EQ(outcome.bad_rows.size(), std::size(expected));
  for (size_t i = 0; i < std::size(expected); ++i) {
    EXPECT_THAT(outcome.bad_rows[i].message(), HasSubstr(expected[i]));
    EXPECT_THAT(outcome.bad_rows[i].message(), HasSubstr("line=" + std::to_string(i + 2)));
  }
}

TEST_F(CsvReader, UnclosedQuoteEndsTheFileAndNamesItsLine) {
  std::string rows = "id,t\na,x\nb,\"two\nlines\"\nc,\"open\n";
  for (int i = 0; i < 1000; ++i) {
    rows += "r" + std::to_string(i) + ",x\n";
  }
  const ReadOutcome outcome = Read(rows);
  EXPECT_EQ(outcome.records.size(), 2U);
  EXPECT_TRUE(outcome.bad_rows.empty());
  EXPECT_THAT(outcome.fatal, StatusIs(StatusCode::kInvalidArgument, "quote not closed"));
  EXPECT_THAT(outcome.fatal.message(), HasSubstr("line=5"));
  // The quote, not the row, is what to look for.
  EXPECT_THAT(Read("id,t,u\na,\"x\n\ny\",\"open\nb,x,y\n").fatal.message(), HasSubstr("line=4"));
}

TEST_F(CsvReader, RowsThatAStrayQuoteTookInAreNotSkipped) {
  for (const char* rows : {
           "a,\"open\nb,x\nc,\"y\"\nd,z\n",  // text behind what closes it
           "a,\"open\nb,\",c\nd,z\n",        // wrong number of columns
           "a,\"open\nb,\xff\nc,\"\n",       // no UTF-8
       }) {
    const ReadOutcome outcome = Read("id,t\nfirst,1\n" + std::string(rows));
    EXPECT_THAT(outcome.fatal, StatusIs(StatusCode::kInvalidArgument, "line=3")) << rows;
    EXPECT_TRUE(outcome.bad_rows.empty()) << rows;
    EXPECT_EQ(outcome.records.size(), 1U) << rows;
  }
  const std::string too_long(kMaxLineBytes, 'x');
  EXPECT_THAT(Read("id,t\na," + too_long + "\nb,x\n").fatal,
              StatusIs(StatusCode::kInvalidArgument, "line too long"));
  EXPECT_THAT(Read("id,t\na,\"open\n" + too_long + "\nb,x\n").fatal,
              StatusIs(StatusCode::kInvalidArgument, "line=2 limit=a closing quote before"));
}

TEST_F(CsvReader, QuoteInsideAnUnquotedCellSpoilsItsOwnRowOnly) {
  const ReadOutcome outcome = Read("id,t\na,5\" pipe\nb,x\nc,6\" pipe\nd,\"7\"\" pipe\"\n");
  ASSERT_OK(outcome.fatal);
  ASSERT_EQ(outcome.bad_rows.size(), 2U);
  EXPECT_THAT(outcome.bad_rows[0].message(), HasSubstr("line=2"));
  EXPECT_THAT(outcome.bad_rows[1].message(), HasSubstr("line=4"));
  ASSERT_EQ(outcome.records.size(), 2U);
  EXPECT_EQ(outcome.records[0].id, "b");
  EXPECT_EQ(outcome.records[1].payload_json, R"({"t":"7\" pipe"})");
}

TEST_F(CsvReader, BadHeadersAreRefusedOnOpening) {
  for (const char* bad : {"", "\n\n", "id,id\n", "id,_id\n", "a,,b\n", "a,\"b\n", "\xff\n"}) {
    EXPECT_THAT(Read(bad).fatal, StatusIs(StatusCode::kInvalidArgument)) << bad;
  }
}

TEST_F(CsvReader, OtherSeparatorsAndLineEndsAreNamed) {
  for (const char* other : {"id;vector\na;1 2\n", "id\tvector\na\t1 2\n"}) {
    EXPECT_THAT(Read(other).fatal,
                StatusIs(StatusCode::kInvalidArgument, "limit=columns separated by commas"));
  }
  // Old Mac line ends would make the whole file a header.
  EXPECT_THAT(Read("id,vector\ra,1 2\r").fatal,
              StatusIs(StatusCode::kInvalidArgument, "carriage return"));
}

TEST_F(CsvReader, SurvivesEveryTruncationAndFlippedBit) {
  const std::string contents = "id,t,vector\na,\"x \"\"y\"\"\n\",\"[1,2]\"\nb,\xc3\xa9,3 4\n";
  ExpectSurvivesDamage(contents, 1, [&](const std::string& damaged) {
    const ReadOutcome outcome = Read(damaged);
    if (!outcome.fatal.ok()) {
      EXPECT_THAT(outcome.fatal, StatusIs(StatusCode::kInvalidArgument));
    }
    for (const InputRecord& record : outcome.records) {
      EXPECT_FALSE(nlohmann::json::parse(record.payload_json, nullptr, false).is_discarded());
    }
  });
}

}  // namespace
}  // namespace leadline::eval
