// The audit log: a line for every change and refusal, nothing of what calls carry, whatever clients
// send; it survives rotation, a full disk and floods.

#include "leadline/rpc/audit_log.h"

#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "leadline/v1/collections.pb.h"
#include "leadline/v1/records.pb.h"
#include "metrics_text.h"
#include "raw_call.h"
#include "served_database.h"
#include "test_clock.h"

namespace leadline::rpc {
namespace {

using Json = nlohmann::json;
using testing::StatusIs;

constexpr int64_t kSecond = 1'000'000'000;

class Audit : public ::testing::Test {
 protected:
  std::unique_ptr<AuditLog> Open(Clock* clock = Clock::System(), uint64_t refusals = 10) {
    auto audit = AuditLog::Open({path_, refusals}, clock, nullptr);
    EXPECT_OK(audit);
    return *std::move(audit);
  }

  static std::string Contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  static std::vector<Json> Lines(const std::string& path) {
    std::vector<Json> lines;
    std::istringstream stream(Contents(path));
    for (std::string line; std::getline(stream, line);) {
      lines.push_back(Json::parse(line, nullptr, false));
      EXPECT_TRUE(lines.back().is_object()) << "not one JSON object: " << line;
    }
    return lines;
  }

  /// A call that ended; Upsert unless said otherwise.
  static CallRecord Upsert() {
    CallRecord record;
    record.method = FindMethod("/leadline.v1.Records/Upsert");
    record.request_id = RequestId("id");
    return record;
  }

  testing::TempDir dir_;
  const std::string path_ = dir_.file("audit");
};

TEST_F(Audit, HasALineForEveryChangeAndAdministrationAndNoOther) {
  const auto audit = Open();
  ServiceOptions options;
  options.audit = audit.get();
  const ServedDatabase served(options);
  TokenRequest request;
  request.role = v1::ROLE_ADMIN;
  ASSERT_OK_AND_ASSIGN(const std::string token, served.tokens()->Create(request));
  ASSERT_OK_AND_ASSIGN(const auto tokens, served.tokens()->List());
  std::map<std::string, int> expected;
  for (const Method& method : Methods()) {
    CallRaw(served.address(), method.path, *RequestFor(method, "nowhere"),
            {{"authorization", "Bearer " + token}, {"x-request-id", "r"}});
    if (method.rule.writes() || method.rule.role() == v1::ROLE_ADMIN) {
      ++expected[method.path];
    }
  }
  EXPECT_GE(expected.size(), 8U);
  std::map<std::string, int> found;
  for (const Json& line : Lines(path_)) {
    ++found[line["method"]];
    EXPECT_EQ(line["token"], tokens[0].id);
    EXPECT_EQ(line["request_id"], "r");
    EXPECT_EQ(line["transport"], "grpc");
    EXPECT_TRUE(line["peer"].get<std::string>().starts_with("127.0.0.1:")) << line["peer"];
    EXPECT_TRUE(line["duration_us"].is_number_integer());
    EXPECT_EQ(line["trace_id"].get<std::string>().size(), 32U);
    const std::string time = line["time"];
    EXPECT_EQ(time.size(), 24U);
    EXPECT_TRUE(time.starts_with("20") && time[10] == 'T' && time.ends_with('Z')) << time;
  }
  EXPECT_EQ(found, expected);
}

TEST_F(Audit, SaysWhatChangedAndNothingOfTheContents) {
  const auto audit = Open();
  ServiceOptions options;
  options.audit = audit.get();
  const ServedDatabase served(options);
  TokenRequest request;
  request.role = v1::ROLE_ADMIN;
  ASSERT_OK_AND_ASSIGN(const std::string token, served.tokens()->Create(request));
  const auto client = served.Connect(token);
  CollectionOptions collection_options;
  collection_options.vectors = {{.dim = 2, .metric = Metric::kL2}};
  ASSERT_OK_AND_ASSIGN(const auto collection, client->CreateCollection("mine", collection_options));
  Record record;
  record.id = "hidden-id-1";
  record.vector = {0.123456F, 7.654321F};
  record.payload = R"({"hidden-key":"hidden-value","n":424242})";
  Record second = record;
  second.id = "hidden-id-2";
  ASSERT_OK_AND_ASSIGN(const WriteResult written, collection->Upsert({record, second}));
  record.payload = R"({"hidden-key": broken)";
  EXPECT_THAT(collection->Upsert({record}), StatusIs(StatusCode::kInvalidArgument));
  ASSERT_OK_AND_ASSIGN(const Filter filter, Filter::Parse("n = 424242"));
  ASSERT_OK(collection->DeleteWhere(filter));
  ASSERT_OK(collection->Search(record.vector));

  const std::vector<Json> lines = Lines(path_);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[1]["method"], "/leadline.v1.Records/Upsert");
  EXPECT_EQ(lines[1]["collection"], "mine");
  EXPECT_EQ(lines[1]["code"], "OK");
  EXPECT_EQ(lines[1]["count"], 2);
  EXPECT_EQ(lines[1]["sequence"], written.sequence);
  EXPECT_EQ(lines[2]["code"], "INVALID_ARGUMENT");
  EXPECT_EQ(lines[2]["field"], "payload");
  EXPECT_FALSE(lines[2].contains("sequence"));
  EXPECT_EQ(lines[3]["count"], 2);
  const std::string text = Contents(path_);
  for (const std::string& secret :
       {std::string("hidden"), std::string("123456"), std::string("654321"), std::string("424242"),
        std::string("broken"), token, token.substr(token.size() - 16)}) {
    EXPECT_EQ(text.find(secret), std::string::npos) << secret;
  }
}

TEST_F(Audit, RefusalsAreNotedUpToALimitAndTheRestIsCounted) {
  testing::TestClock clock;
  clock.nanos_per_look = 0;
  const auto audit = Open(&clock, 5);
  ServiceOptions options;
  options.audit = audit.get();
  options.clock = &clock;
  ServedDatabase served;
  ASSERT_OK(served.tokens()->Create({}));
  Service service(served.database(), served.tokens(), options);
  const auto refuse = [&](int times) {
    for (int i = 0; i < times; ++i) {
      CallRecord record;
      const auto caller = service.Admit({.method = FindMethod("/leadline.v1.Search/Search"),
                                         .authorization = "Bearer guessed-secret"},
                                        &record);
      EXPECT_THAT(caller, StatusIs(StatusCode::kUnauthenticated));
      service.Ended(record, caller.status());
    }
  };
  refuse(1000);
  EXPECT_EQ(Lines(path_).size(), 5U);
  EXPECT_EQ(Lines(path_)[0]["code"], "UNAUTHENTICATED");
  service.Tick();
  EXPECT_EQ(Lines(path_).size(), 5U) << "the second is not over";
  clock.monotonic_nanos += kSecond;
  service.Tick();
  ASSERT_EQ(Lines(path_).size(), 6U);
  EXPECT_EQ(Lines(path_)[5]["event"], "refusals_left_out");
  EXPECT_EQ(Lines(path_)[5]["count"], 995);
  refuse(7);
  clock.monotonic_nanos += kSecond;
  refuse(1);
  ASSERT_EQ(Lines(path_).size(), 13U);
  EXPECT_EQ(Lines(path_)[11]["count"], 2);
  EXPECT_EQ(audit->left_out(), 997U);
  EXPECT_EQ(Contents(path_).find("guessed"), std::string::npos);
  EXPECT_EQ(MetricsText(service.MetricsText()).Value("leadline_audit_left_out_total"), 997);
  // A flood of refusals hides no change.
  refuse(100);
  audit->Ended({Upsert(), OkStatus(), 1});
  EXPECT_EQ(Lines(path_).back()["method"], "/leadline.v1.Records/Upsert");
  CallRecord stream = Upsert();
  stream.refusal = Refusal::kRate;
  stream.sequence = 42;
  audit->Ended({stream, ResourceExhaustedError("x"), 1});
  EXPECT_EQ(Lines(path_).back()["sequence"], 42);
}

TEST_F(Audit, NoTextOfAClientMakesALineOfItsOwn) {
  const auto audit = Open();
  ServiceOptions options;
  options.audit = audit.get();
  const ServedDatabase served;
  Service service(served.database(), served.tokens(), options);
  const std::string forged = "x\n{\"method\":\"forged\"}\n";
  CallRecord record;
  ASSERT_OK(service.Admit({.method = FindMethod("/leadline.v1.Collections/Drop"),
                           .traceparent = forged,
                           .request_id = forged},
                          &record));
  EXPECT_EQ(record.request_id.view().find('x'), std::string::npos);
  record.collection = forged + "\xFF\x1B[2J" + std::string(1 << 20, 'y');
  Status status = InvalidArgumentError(forged);
  status.WithField(forged + std::string(1 << 20, 'z'));
  service.Ended(record, status);
  const std::vector<Json> lines = Lines(path_);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["method"], "/leadline.v1.Collections/Drop");
  EXPECT_LT(Contents(path_).size(), 2000U);
  for (const char c : Contents(path_)) {
    EXPECT_TRUE(c == '\n' || (c >= ' ' && c < 0x7F)) << static_cast<int>(c);
  }
}

TEST_F(Audit, GoesOnInANewFileAfterRotation) {
  const auto audit = Open();
  struct stat info = {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  audit->Ended({Upsert(), OkStatus(), 1});
  ASSERT_OK(FileSystem::Posix()->RenameFile(path_, path_ + ".1"));
  audit->Ended({Upsert(), OkStatus(), 2});
  ASSERT_OK(audit->Reopen());
  audit->Ended({Upsert(), OkStatus(), 3});
  EXPECT_EQ(Lines(path_ + ".1").size(), 2U);
  EXPECT_EQ(Lines(path_).size(), 1U);
  // Others append to it, or cut it, as logrotate's copytruncate does.
  ASSERT_OK(FileSystem::Posix()->TruncateFile(path_, 0));
  audit->Ended({Upsert(), OkStatus(), 4});
  EXPECT_EQ(Lines(path_).size(), 1U);
  // Where the new file cannot be made the old one stays.
  ASSERT_OK(FileSystem::Posix()->DeleteFile(path_));
  ASSERT_OK(FileSystem::Posix()->CreateDirectory(path_));
  EXPECT_THAT(audit->Reopen(), StatusIs(StatusCode::kUnavailable, path_));
  audit->Ended({Upsert(), OkStatus(), 5});
  EXPECT_EQ(audit->failures(), 0U);
  ASSERT_OK(FileSystem::Posix()->DeleteDirectory(path_));
}

TEST_F(Audit, AFullDiskIsCountedAndToldOnceAndCallsGoOn) {
  std::string told;
  const auto logger = NewLogger(LogLevel::kInfo, LogFormat::kJson, Clock::System(),
                                [&told](std::string_view line) { told += line; });
  ASSERT_OK_AND_ASSIGN(const auto audit,
                       AuditLog::Open({"/dev/full", 10}, Clock::System(), logger.get()));
  ServiceOptions options;
  options.audit = audit.get();
  const ServedDatabase served(options);
  const auto client = served.Connect();
  CollectionOptions collection;
  collection.vectors = {{.dim = 2}};
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_OK(client->CreateCollection(name, collection));
  }
  EXPECT_EQ(audit->failures(), 3U);
  EXPECT_EQ(MetricsText(served.service()->MetricsText()).Value("leadline_audit_failures_total"), 3);
  EXPECT_EQ(std::count(told.begin(), told.end(), '\n'), 1) << told;
  EXPECT_EQ(Json::parse(told)["level"], "error");
  EXPECT_THAT(AuditLog::Open({dir_.file("no/such/folder"), 10}, Clock::System(), nullptr),
              StatusIs(StatusCode::kUnavailable, "no/such/folder"));
}

TEST_F(Audit, LinesOfManyThreadsStayWhole) {
  const auto audit = Open();
  constexpr size_t kThreads = 4;
  constexpr size_t kLines = 500;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&audit] {
      for (size_t i = 0; i < kLines; ++i) {
        audit->Ended({Upsert(), OkStatus(), 1});
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_OK(audit->Reopen());
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(Lines(path_).size(), kThreads * kLines);
}

}  // namespace
}  // namespace leadline::rpc
