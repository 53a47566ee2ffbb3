// The HTTP form of messages: read and written alike, and every wrong text refused by the name of
// what is wrong.

#include "leadline/rpc/json_wire.h"

#include <limits>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "leadline/core/rng.h"
#include "leadline/core/types.h"
#include "leadline/rpc/method_table.h"
#include "leadline/v1/collections.pb.h"
#include "leadline/v1/maintenance.pb.h"
#include "leadline/v1/options.pb.h"
#include "leadline/v1/records.pb.h"
#include "leadline/v1/search.pb.h"
#include "status_matchers.h"
#include "test_environment.h"

namespace leadline::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using testing::StatusIs;

std::string Written(const Message& message) {
  std::string text;
  WriteJson(message, &text);
  return text;
}

/// `text` read as a message and written again; the error where it is refused.
template <typename Type>
std::string Again(const std::string& text) {
  Type message;
  const Status status = ReadJson(text, &message);
  return status.ok() ? Written(message) : status.field() + ": " + status.message();
}

TEST(JsonWire, ReadsAndWritesWhatAnApplicationSends) {
  v1::UpsertRequest request;
  ASSERT_OK(ReadJson(R"({"records":[{"id":"a","vector":[1,-2.5,3e2],"vectors":{"image":[0.5]},
      "payload":{"n":1,"deep":{"list":[1,2.50,null,"x\n",true,{}]}},"expires_at_ms":9007199254740993},
      {"id":"ü","vector":null}]})",
                     &request));
  ASSERT_EQ(request.records_size(), 2);
  const v1::Record& record = request.records(0);
  EXPECT_EQ(record.vector_size(), 3);
  EXPECT_EQ(record.vector(2), 300.0F);
  EXPECT_EQ(record.vectors().at("image").values(0), 0.5F);
  EXPECT_EQ(record.payload(), R"({"n":1,"deep":{"list":[1,2.50,null,"x\n",true,{}]}})");
  EXPECT_EQ(record.expires_at_ms(), 9007199254740993);
  EXPECT_EQ(request.records(1).id(), "ü");
  EXPECT_EQ(Written(record), R"({"id":"a","vector":[1,-2.5,300],"vectors":{"image":[0.5]},)"
                             R"("payload":{"n":1,"deep":{"list":[1,2.50,null,"x\n",true,{}]}},)"
                             R"("expires_at_ms":9007199254740993})");
}

TEST(JsonWire, OptionsStandBesideTheQuery) {
  EXPECT_EQ(Again<v1::SearchRequest>(R"({"vector":[1],"limit":5,"exact":true,"filter":"n < 3"})"),
            R"({"collection":"","vector":[1],"limit":5,"vector_field":"","filter":"n < 3",)"
            R"("exact":true,"nprobe":0,"rescore":0,"group_by":"","fields":[],)"
            R"("with_vectors":false,"explain":false,"snapshot":"","as_single":false})");
  v1::SearchBatchRequest batch;
  ASSERT_OK(ReadJson(R"({"vectors":[[1,2],[3,4]],"ef_search":7})", &batch));
  EXPECT_EQ(batch.vectors(1).values(0), 3.0F);
  EXPECT_EQ(batch.options().ef_search(), 7U);
}

TEST(JsonWire, WritesWordsNumbersAndWhatIsAbsent) {
  v1::SearchResponse response;
  EXPECT_EQ(Written(response),
            R"({"hits":[],"higher_is_better":false,"took_us":0,"degraded":false})");
  v1::Hit* hit = response.add_hits();
  hit->set_id("\"<\n");
  hit->set_score(0.1F);
  hit->set_payload(R"({"a":1})");
  response.set_metric(v1::METRIC_COSINE);
  response.mutable_plan()->set_sequence(std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(nlohmann::json::parse(Written(response)),
            nlohmann::json::parse(R"({"hits":[{"id":"\"<\n","score":0.1,"payload":{"a":1}}],
                "metric":"cosine","higher_is_better":false,"took_us":0,"degraded":false,
                "plan":{"sequence":18446744073709551615,"simd":"","distances":0,"steps":[]}})"));
  hit->set_score(std::numeric_limits<float>::infinity());
  EXPECT_NE(Written(response).find("\"score\":null"), std::string::npos);
}

TEST(JsonWire, NamesWhatIsWrong) {
  const struct {
    const char* text;
    const char* field;
  } cases[] = {
      {R"([])", "body"},
      {R"(1)", "body"},
      {R"({)", "body"},
      {R"({} x)", "body"},
      {R"({"records":[{"id":"a"})", "body"},
      {"{\"records\":\"\xff\"}", "body"},
      {R"({"nothing":1})", "nothing"},
      {R"({"records":{}})", "records"},
      {R"({"records":[1]})", "records[0]"},
      {R"({"records":[null]})", "records[0]"},
      {R"({"records":[{}, {"id":7}]})", "records[1].id"},
      {R"({"records":[{"vector":"abc"}]})", "records[0].vector"},
      {R"({"records":[{"vector":[1,"x"]}]})", "records[0].vector[1]"},
      {R"({"records":[{"vector":[1,[2]]}]})", "records[0].vector[1]"},
      {R"({"records":[{"vector":[1e400]}]})", "body"},
      {R"({"records":[{"vector":[0,1.00000000000001e15]}]})", "records[0].vector[1]"},
      {R"({"records":[{"vector_f32":"AAAA"}]})", "records[0].vector_f32"},
      {R"({"records":[{"vectors":[1]}]})", "records[0].vectors"},
      {R"({"records":[{"vectors":{"image":{"values":[1]}}}]})", "records[0].vectors.image"},
      {R"({"records":[{"vectors":{"image":1}}]})", "records[0].vectors.image"},
      {R"({"records":[{"vectors":{"a":[],"a":[]}}]})", "records[0].vectors.a"},
      {R"({"records":[{"payload":"{}"}]})", "records[0].payload"},
      {R"({"records":[{"payload":[1]}]})", "records[0].payload"},
      {R"({"records":[{"payload":7}]})", "records[0].payload"},
      {R"({"records":[{"expires_at_ms":1.5}]})", "records[0].expires_at_ms"},
      {R"({"records":[{"expires_at_ms":9223372036854775808}]})", "records[0].expires_at_ms"},
      {R"({"records":[{"expires_at_ms":"1"}]})", "records[0].expires_at_ms"},
      {R"({"records":[{"id":"a","id":"b"}]})", "records[0].id"},
      {R"({"records":[],"records":[]})", "records"},
  };

  for (const auto& one : cases) {
    v1::UpsertRequest request;
    const Status status = ReadJson(one.text, &request);
    EXPECT_THAT(status, StatusIs(StatusCode::kInvalidArgument)) << one.text;
    EXPECT_EQ(status.field(), one.field) << one.text;
    EXPECT_FALSE(status.limit().empty()) << one.text;
  }
}

TEST(JsonWire, RefusesTwoFormsOfOneChange) {
  EXPECT_EQ(
      Again<v1::WriteRequest>(R"({"changes":[{"delete_id":"a"},{"upsert":{"id":"b"}}]})"),
      R"({"collection":"","changes":[{"delete_id":"a"},{"upsert":{"id":"b"}}],"idempotency_key":""})");
  v1::WriteRequest request;
  EXPECT_EQ(ReadJson(R"({"changes":[{"delete_id":"a","upsert":{"id":"b"}}]})", &request).field(),
            "changes[0].upsert");
}

TEST(JsonWire, WordsAndWholeNumbersOnly) {
  v1::CreateCollectionRequest request;
  ASSERT_OK(ReadJson(R"({"metric":"l2","index":"hnsw","dim":3.0})", &request));
  EXPECT_EQ(request.metric(), v1::METRIC_L2);
  EXPECT_EQ(request.index(), v1::INDEX_KIND_HNSW);
  EXPECT_EQ(request.dim(), 3U);
  for (const char* text :
       {R"({"metric":"METRIC_L2"})", R"({"metric":1})", R"({"metric":"unspecified"})",
        R"({"metric":""})", R"({"dim":-1})", R"({"dim":4294967296})", R"({"dim":1e18})",
        R"({"dim":18446744073709551616})", R"({"dim":true})"}) {
    v1::CreateCollectionRequest refused;
    const Status status = ReadJson(text, &refused);
    EXPECT_THAT(status, StatusIs(StatusCode::kInvalidArgument)) << text;
  }
}

TEST(JsonWire, NestsNoDeeperThanPayloadsMay) {
  for (const size_t levels : {kMaxPayloadDepth, kMaxPayloadDepth + 1}) {
    std::string payload = "1";
    for (size_t i = 0; i < levels; ++i) {
      payload = "{\"a\":" + payload + "}";
    }
    v1::UpsertRequest request;
    const Status status =
        ReadJson(R"({"records":[{"id":"a","payload":)" + payload + "}]}", &request);
    EXPECT_EQ(status.ok(), levels == kMaxPayloadDepth);
  }
  const std::string brackets(1'000'000, '[');
  v1::UpsertRequest request;
  EXPECT_FALSE(ReadJson("{\"records\":" + brackets, &request).ok());
}

/// Sets every field of `message` that the HTTP form has to a random value.
class RandomMessage {
 public:
  explicit RandomMessage(Rng* rng) : rng_(*rng) {}

  void Fill(Message* message) {
    const auto* type = message->GetDescriptor();
    const auto& reflection = *message->GetReflection();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      const v1::FieldRule& rule = field->options().GetExtension(v1::bounds);
      const auto* group = field->real_containing_oneof();
      const bool taken = group != nullptr && reflection.HasOneof(*message, group);
      if (rule.grpc_only() || taken || (!rule.bare() && rng_.Uniform(4) == 0)) {
        continue;
      }
      if (field->is_map()) {
        Entry(message, field);
      } else if (field->is_repeated()) {
        for (uint64_t n = rng_.Uniform(4); n > 0; --n) {
          Add(message, field);
        }
      } else {
        Set(message, field, rule);
      }
    }
  }

 private:
  std::string Word() {
    static constexpr const char* kWords[] = {"", "a", "\"\\/\b\f\n\r\t", "ü€𝄞", "{[", "\x7f\x01"};
    return kWords[rng_.Uniform(std::size(kWords))];
  }

  void Entry(Message* message, const FieldDescriptor* field) {
    Message* entry = message->GetReflection()->AddMessage(message, field);
    const auto* type = field->message_type();
    entry->GetReflection()->SetString(entry, type->map_key(), Word());
    Fill(entry->GetReflection()->MutableMessage(entry, type->map_value()));
  }

  float Float() {
    const float values[] = {0, -0.0F, 1, 0.1F, -1e-45F, 9.5e14F, 1e-7F, 123456.F, 1e15F};
    return values[rng_.Uniform(std::size(values))];
  }

  /// Unspecified is said by leaving the field out; there is no word for it.
  void SetEnum(Message* message, const FieldDescriptor* field) {
    const int first = field->has_presence() ? 1 : 0;
    const auto* type = field->enum_type();
    const auto choice = rng_.Uniform(static_cast<uint64_t>(type->value_count() - first));
    message->GetReflection()->SetEnumValue(message, field,
                                           type->value(first + static_cast<int>(choice))->number());
  }

  void Add(Message* message, const FieldDescriptor* field) {
    const auto& reflection = *message->GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Fill(reflection.AddMessage(message, field));
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        reflection.AddString(message, field, Word());
        break;
      default:
        reflection.AddFloat(message, field, Float());
    }
  }

  void Set(Message* message, const FieldDescriptor* field, const v1::FieldRule& rule) {
    const auto& reflection = *message->GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Fill(reflection.MutableMessage(message, field));
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        reflection.SetString(message, field, rule.json() ? R"({"a":[1,-2.50,"\u0001"]})" : Word());
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        SetEnum(message, field);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection.SetBool(message, field, rng_.Uniform(2) == 0);
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        reflection.SetUInt32(message, field, static_cast<uint32_t>(rng_.Next()));
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        reflection.SetUInt64(message, field, rng_.Next());
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection.SetInt64(message, field, static_cast<int64_t>(rng_.Next()));
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        reflection.SetFloat(message, field, Float());
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection.SetDouble(message, field, 0.1 * static_cast<double>(rng_.Uniform(1000)));
        break;
      default:
        FAIL() << "a type that the service does not use: " << field->full_name();
    }
  }

  Rng& rng_;
};

TEST(JsonWire, EveryMessageSurvivesTheWayThereAndBack) {
  const uint64_t seed = testing::TestSeed(71);
  Rng rng(seed);
  for (int round = 0; round < 100; ++round) {
    for (const Method& method : Methods()) {
      if (method.rule.http().empty()) {
        continue;
      }
      for (const Message* prototype : {method.request, method.response}) {
        SCOPED_TRACE("seed " + std::to_string(seed) + " round " + std::to_string(round) + " " +
                     prototype->GetDescriptor()->full_name());
        const std::unique_ptr<Message> message(prototype->New());
        RandomMessage(&rng).Fill(message.get());
        const std::string text = Written(*message);
        ASSERT_TRUE(nlohmann::json::accept(text)) << text;
        const std::unique_ptr<Message> again(prototype->New());
        ASSERT_OK(ReadJson(text, again.get()));
        ASSERT_EQ(Written(*again), text);
      }
    }
  }
}

TEST(JsonWire, DamagedTextsAreReadOrRefusedAndNothingElse) {
  const std::string text =
      R"({"records":[{"id":"a","vector":[1,2],"vectors":{"i":[1]},"payload":{"a":[1,"b"]}}]})";
  for (size_t cut = 0; cut < text.size(); ++cut) {
    v1::UpsertRequest request;
    EXPECT_EQ(ReadJson(text.substr(0, cut), &request).ok(), cut == 0) << cut;
  }
  const uint64_t seed = testing::TestSeed(72);
  Rng rng(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = text;
    for (uint64_t n = 1 + rng.Uniform(3); n > 0; --n) {
      static constexpr char kBytes[] = "{}[]\",:0e-.\\u\x80 null";
      damaged[rng.Uniform(damaged.size())] = kBytes[rng.Uniform(sizeof kBytes)];
    }
    v1::UpsertRequest request;
    if (ReadJson(damaged, &request).ok()) {
      EXPECT_TRUE(nlohmann::json::accept(damaged)) << damaged;
    }
  }
}

}  // namespace
}  // namespace leadline::rpc
