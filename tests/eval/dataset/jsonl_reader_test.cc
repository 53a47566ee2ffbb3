#include <cmath>

#include <nlohmann/json.hpp>

#include "dataset_files.h"
#include "leadline/core/types.h"

namespace leadline::eval {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::StatusIs;

class JsonlReader : public ::testing::Test {
 protected:
  ReadOutcome Read(const std::string& contents) {
    return ReadAll(files_.Write("records.jsonl", contents));
  }

  /// The error of a file with one line.
  Status ErrorOf(const std::string& line) {
    const ReadOutcome outcome = Read(line + "\n");
    EXPECT_TRUE(outcome.records.empty()) << line;
    EXPECT_EQ(outcome.bad_rows.size(), 1U) << line;
    return outcome.bad_rows.empty() ? Status() : outcome.bad_rows[0];
  }

  DatasetFiles files_;
};

TEST_F(JsonlReader, FieldsGoWhereTheContractSays) {
  const ReadOutcome outcome = Read(
      R"({"id":"a","vector":[1,2.5,-3e0],"vectors":{"title":[1],"body":[0.5,0]},)"
      R"("payload":{"x":1,"nested":{"deep":[1,[],{},{"k":[null,true]}]}},"year":2020,"s":"q\"\u00e9\n"})"
      "\n");
  ASSERT_OK(outcome.fatal);
  ASSERT_TRUE(outcome.bad_rows.empty()) << outcome.bad_rows[0].ToString();
  ASSERT_EQ(outcome.records.size(), 1U);
  const InputRecord& record = outcome.records[0];
  EXPECT_EQ(record.id, "a");
  EXPECT_EQ(record.vector, (std::vector<float>{1, 2.5F, -3}));
  ASSERT_EQ(record.named_vectors.size(), 2U);
  EXPECT_EQ(record.named_vectors[0].first, "title");
  EXPECT_EQ(record.named_vectors[1].second, (std::vector<float>{0.5F, 0}));
  EXPECT_EQ(json::parse(record.payload_json),
            json::parse(R"({"x":1,"nested":{"deep":[1,[],{},{"k":[null,true]}]},"year":2020,)"
                        R"("s":"q\"é\n"})"));
  EXPECT_EQ(record.row, 1U);
}

TEST_F(JsonlReader, PayloadKeepsNumbersAsWritten) {
  const ReadOutcome outcome =
      Read(R"({"id":"a","big":9007199254740993,"exact":0.1000,"huge":18446744073709551615})");
  ASSERT_EQ(outcome.records.size(), 1U);
  EXPECT_EQ(outcome.records[0].payload_json,
            R"({"big":9007199254740993,"exact":0.1000,"huge":18446744073709551615})");
}

TEST_F(JsonlReader, BlankLinesCarriageReturnsAndByteOrderMarkAreSkipped) {
  const ReadOutcome outcome = Read("\xef\xbb\xbf{\"_id\":\"a\"}\r\n\n   \n{\"id\":\"b\"}");
  ASSERT_OK(outcome.fatal);
  ASSERT_EQ(outcome.records.size(), 2U);
  EXPECT_EQ(outcome.records[0].payload_json, "{}");
  EXPECT_EQ(outcome.records[1].id, "b");
  EXPECT_EQ(outcome.records[1].row, 4U);
}

TEST_F(JsonlReader, BadLinesAreNumberedAndTheRestIsRead) {
  const ReadOutcome outcome = Read("{\"id\":\"a\"}\n{\"id\":}\n{\"id\":\"c\"}\nnot json\n");
  ASSERT_OK(outcome.fatal);
  ASSERT_EQ(outcome.records.size(), 2U);
  ASSERT_EQ(outcome.bad_rows.size(), 2U);
  EXPECT_THAT(outcome.bad_rows[0].message(), HasSubstr("line=2"));
  EXPECT_THAT(outcome.bad_rows[1].message(), HasSubstr("line=4"));
  EXPECT_THAT(outcome.bad_rows[1].message(), HasSubstr("records.jsonl"));
}

TEST_F(JsonlReader, NulEndsNoLine) {
  const std::string hidden("{\"id\":\"a\"}\0{\"id\":\"lost\"}", 24);
  const ReadOutcome outcome = Read("{\"id\":\"first\"}\n" + hidden + "\n{\"id\":\"b\"}\n");
  ASSERT_OK(outcome.fatal);
  EXPECT_EQ(outcome.records.size(), 2U);
  ASSERT_EQ(outcome.bad_rows.size(), 1U);
  EXPECT_THAT(outcome.bad_rows[0], StatusIs(StatusCode::kInvalidArgument, "malformed JSON: file="));
  EXPECT_THAT(outcome.bad_rows[0].message(), HasSubstr("line=2 value=byte 11"));
  // A NUL of a string is written as an escape.
  EXPECT_EQ(Read(R"({"id":"a","t":"\u0000"})").records.at(0).payload_json, R"({"t":"\u0000"})");
}

TEST_F(JsonlReader, WithoutHandlerTheErrorIsReturnedAndReadingGoesOn) {
  const std::string path = files_.Write("r.jsonl", "{\"id\":1}\n{\"id\":\"b\"}\n");
  ASSERT_OK_AND_ASSIGN(auto reader, OpenRecords(FileSystem::Posix(), path, FileFormat::kJsonl, {}));
  InputRecord record;
  EXPECT_THAT(reader->Next(&record), StatusIs(StatusCode::kInvalidArgument, "field=id"));
  EXPECT_TRUE(reader->can_continue());
  ASSERT_OK_AND_ASSIGN(const bool more, reader->Next(&record));
  EXPECT_TRUE(more);
  EXPECT_EQ(record.id, "b");
  ASSERT_OK_AND_ASSIGN(const bool end, reader->Next(&record));
  EXPECT_FALSE(end);
  EXPECT_EQ(reader->bytes_read(), reader->bytes_total());
}

TEST_F(JsonlReader, WrongTypesNameTheField) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"id":5})", "field=id value=a number"},
      {R"({"id":null})", "field=id"},
      {R"({"id":["a"]})", "field=id"},
      {R"({"id":{}})", "field=id"},
      {R"({"vector":[1]})", "field=id"},
      {R"({"id":""})", "field=id"},
      {R"({"id":"a","vector":"1,2"})", "field=vector"},
      {R"({"id":"a","vector":{}})", "field=vector"},
      {R"({"id":"a","vector":null})", "field=vector"},
      {R"({"id":"a","vector":[]})", "empty vector"},
      {R"({"id":"a","vector":[1,"2"]})", "field=vector[1]"},
      {R"({"id":"a","vector":[1,[2]]})", "field=vector[1]"},
      {R"({"id":"a","vector":[1,null]})", "field=vector[1]"},
      {R"({"id":"a","vector":[1,true]})", "field=vector[1]"},
      {R"({"id":"a","vector":[1e39]})", "field=vector[0]"},
      {R"({"id":"a","vector":[1e999]})", "number out of range"},
      {R"({"id":"a","vector":[NaN]})", "malformed JSON"},
      {R"({"id":"a","vector":[Infinity]})", "malformed JSON"},
      {R"({"id":"a","vectors":[1]})", "field=vectors"},
      {R"({"id":"a","vectors":{"x":1}})", "field=vectors.x"},
      {R"({"id":"a","vectors":{"x":[1],"x":[2]}})", "given twice"},
      {R"({"id":"a","payload":[]})", "field=payload"},
      {R"({"id":"a","payload":"x"})", "field=payload"},
      {R"({"id":"a","_id":"b"})", "given twice"},
      {R"({"id":"a","expires_at_ms":1,"expires_at_ms":2})", "given twice"},
      {R"({"id":"a","expires_at_ms":"tomorrow"})", "field=expires_at_ms value=a string"},
      {R"({"id":"a","expires_at_ms":1.5})", "field=expires_at_ms"},
      {R"({"id":"a","expires_at_ms":null})", "field=expires_at_ms"},
      {R"({"id":"a","expires_at_ms":[1]})", "field=expires_at_ms"},
      {R"({"id":"a","expires_at_ms":0})", "limit=[1, 2^63)"},
      {R"({"id":"a","expires_at_ms":-5})", "limit=[1, 2^63)"},
      {R"({"id":"a","expires_at_ms":9223372036854775808})", "limit=[1, 2^63)"},
      {R"({"id":"a","x":1,"x":2})", "given twice"},
      {R"({"id":"a","payload":{"x":1},"x":2})", "given twice"},
      {R"(["a"])", "not a JSON object"},
      {R"("a")", "not a JSON object"},
      {R"({"id":"a"} {"id":"b"})", "malformed JSON"},
      {"{\"id\":\"\xff\"}", "malformed JSON"},
      {"{\"id\":\"a\",\"t\":\"\xc3\x28\"}", "malformed JSON"},
      {"{\"id\":\"a\",\"t\":\"\xed\xa0\x80\"}", "malformed JSON"},
  };
  for (const auto& [line, text] : cases) {
    EXPECT_THAT(ErrorOf(line), StatusIs(StatusCode::kInvalidArgument, text)) << line;
  }
}

TEST_F(JsonlReader, CapsAreEnforced) {
  EXPECT_THAT(ErrorOf("{\"id\":\"" + std::string(kMaxIdBytes + 1, 'x') + "\"}"),
              StatusIs(StatusCode::kInvalidArgument, "limit=1 to 512 bytes"));
  EXPECT_EQ(Read("{\"id\":\"" + std::string(kMaxIdBytes, 'x') + "\"}").records.size(), 1U);

  const auto nested = [](size_t depth) {
    return "{\"id\":\"a\",\"x\":" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  EXPECT_EQ(Read(nested(kMaxJsonDepth)).records.size(), 1U);
  EXPECT_THAT(ErrorOf(nested(kMaxJsonDepth + 1)),
              StatusIs(StatusCode::kInvalidArgument, "limit=64"));
  EXPECT_THAT(ErrorOf(nested(1'000'000)), StatusIs(StatusCode::kInvalidArgument, "limit=64"));

  std::string wide = "{\"id\":\"a\",\"vector\":[0";
  for (size_t i = 0; i < kMaxDim; ++i) {
    wide += ",0";
  }
  EXPECT_THAT(ErrorOf(wide + "]}"), StatusIs(StatusCode::kInvalidArgument, "limit=65536"));
  EXPECT_THAT(ErrorOf("{\"id\":\"a\",\"t\":\"" + std::string(kMaxPayloadBytes, 'x') + "\"}"),
              StatusIs(StatusCode::kInvalidArgument, "payload too large"));
}

TEST_F(JsonlReader, NamedVectorsAreCapped) {
  const auto named = [](size_t count) {
    std::string line = "{\"id\":\"a\",\"vectors\":{";
    for (size_t i = 0; i < count; ++i) {
      line += (i == 0 ? "\"v" : ",\"v") + std::to_string(i) + "\":[1]";
    }
    return line + "}}";
  };
  EXPECT_EQ(Read(named(kMaxNamedVectors)).records.at(0).named_vectors.size(), kMaxNamedVectors);
  EXPECT_THAT(ErrorOf(named(kMaxNamedVectors + 1)),
              StatusIs(StatusCode::kInvalidArgument, "field=vectors value=more than 16 limit=16"));
}

TEST_F(JsonlReader, ExpiryIsNoPayload) {
  const ReadOutcome outcome = Read(
      "{\"id\":\"a\",\"expires_at_ms\":9223372036854775807,\"x\":1}\n{\"id\":\"b\"}\n"
      "{\"id\":\"c\",\"payload\":{\"expires_at_ms\":5}}\n");
  ASSERT_EQ(outcome.records.size(), 3U);
  EXPECT_EQ(outcome.records[0].expires_at_ms, INT64_MAX);
  EXPECT_EQ(outcome.records[0].payload_json, "{\"x\":1}");
  EXPECT_FALSE(outcome.records[1].expires_at_ms.has_value());
  EXPECT_FALSE(outcome.records[2].expires_at_ms.has_value()) << "a payload may use the name";
}

TEST_F(JsonlReader, LineBeyondTheCapIsSkipped) {
  const ReadOutcome outcome = Read("{\"id\":\"a\"}\n{\"id\":\"" +
                                   std::string(kMaxLineBytes + 10, 'x') + "\"}\n{\"id\":\"c\"}\n");
  ASSERT_OK(outcome.fatal);
  ASSERT_EQ(outcome.records.size(), 2U);
  EXPECT_EQ(outcome.records[1].row, 3U);
  ASSERT_EQ(outcome.bad_rows.size(), 1U);
  EXPECT_THAT(outcome.bad_rows[0].message(), HasSubstr("line too long"));
  EXPECT_THAT(outcome.bad_rows[0].message(), HasSubstr("line=2"));
}

TEST_F(JsonlReader, ReadsScifact) {
  const ReadOutcome outcome = ReadAll(LEADLINE_SOURCE_DIR "/examples/scifact");
  ASSERT_OK(outcome.fatal);
  EXPECT_TRUE(outcome.bad_rows.empty());
  ASSERT_EQ(outcome.records.size(), 5183U);
  const json payload = json::parse(outcome.records[0].payload_json);
  EXPECT_TRUE(payload.contains("title"));
  EXPECT_TRUE(payload.contains("text"));
}

TEST_F(JsonlReader, SurvivesEveryTruncationAndFlippedBit) {
  const std::string contents =
      "{\"id\":\"a\",\"vector\":[1,2.5],\"vectors\":{\"t\":[1]},\"payload\":{\"x\":[1,{}]},\"y\":"
      "\"\\u00e9\xc3\xa9\"}\n{\"_id\":\"b\",\"vector\":[-1e-3],\"z\":null}\n";
  ExpectSurvivesDamage(contents, 1, [&](const std::string& damaged) {
    const ReadOutcome outcome = Read(damaged);
    EXPECT_OK(outcome.fatal);
    for (const InputRecord& record : outcome.records) {
      EXPECT_FALSE(json::parse(record.payload_json, nullptr, false).is_discarded());
      for (const float v : record.vector) {
        EXPECT_TRUE(std::isfinite(v));
      }
    }
  });
}

}  // namespace
}  // namespace leadline::eval
