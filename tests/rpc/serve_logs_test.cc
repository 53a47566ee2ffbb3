// What `leadline serve` tells those who run it: events as lines of text or JSON, slow and failed
// calls, and the flags --audit and --rate of the real program.

#include <atomic>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "../cli/program_runner.h"
#include "leadline/client.h"
#include "leadline/core/version.h"
#include "leadline/rpc/logger.h"
#include "raw_http.h"
#include "served_database.h"
#include "served_program.h"
#include "test_clock.h"

namespace leadline::rpc {
namespace {

using testing::Json;
using testing::ProgramOutput;
using testing::RunningProgram;
using testing::StatusIs;

std::vector<Json> JsonLines(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(Json::parse(line, nullptr, false));
    EXPECT_TRUE(lines.back().is_object()) << line;
  }
  return lines;
}

class Logs : public ::testing::Test {
 protected:
  std::unique_ptr<Logger> Make(LogLevel level, LogFormat format) {
    return NewLogger(level, format, &clock_, [this](std::string_view line) { told_ += line; });
  }

  testing::TestClock clock_;
  std::string told_;
};

TEST_F(Logs, AnEventIsOneLineWhateverItsTexts) {
  const std::string hostile = "a\n{\"level\":\"forged\"} \xFF\x1B[2J\"\\";
  const auto json = Make(LogLevel::kInfo, LogFormat::kJson);
  json->Log(LogLevel::kInfo, hostile,
            {{"text", hostile}, {"empty", ""}, {"long", std::string(10'000, 'x')}, {"n", 42}});
  const std::vector<Json> lines = JsonLines(told_);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["level"], "info");
  EXPECT_EQ(lines[0]["time"], "2023-11-14T22:13:20.000Z");
  EXPECT_TRUE(lines[0]["text"].get<std::string>().starts_with("a\n{"));
  EXPECT_EQ(lines[0]["long"].get<std::string>().size(), kMaxLogTextBytes);
  EXPECT_EQ(lines[0]["n"], 42);
  EXPECT_FALSE(lines[0].contains("empty"));
  told_.clear();
  Make(LogLevel::kInfo, LogFormat::kText)
      ->Log(LogLevel::kWarning, "slow call", {{"plain", "word"}, {"odd", hostile}, {"n", -1}});
  EXPECT_TRUE(told_.starts_with("2023-11-14T22:13:20.000Z warning slow call plain=word odd=\"a\\n"))
      << told_;
  EXPECT_TRUE(told_.ends_with(" n=-1\n"));
  for (const char c : told_.substr(0, told_.size() - 1)) {
    EXPECT_TRUE(c >= ' ' && c < 0x7F) << static_cast<int>(c);
  }
}

TEST_F(Logs, TellsWhatTheLevelAsksFor) {
  const LogLevel all[] = {LogLevel::kError, LogLevel::kWarning, LogLevel::kInfo, LogLevel::kDebug};
  for (const LogLevel level : all) {
    told_.clear();
    const auto logger = Make(level, LogFormat::kJson);
    for (const LogLevel event : all) {
      EXPECT_EQ(logger->Enabled(event), event <= level);
      logger->Log(event, "x", {});
    }
    EXPECT_EQ(JsonLines(told_).size(), static_cast<size_t>(level) + 1);
  }
}

TEST_F(Logs, TellOfSlowAndFailedCallsAlone) {
  const auto logger = Make(LogLevel::kInfo, LogFormat::kJson);
  ServiceOptions options;
  options.logger = logger.get();
  options.slow_ms = 1000;
  options.clock = &clock_;
  clock_.nanos_per_look = 0;
  const ServedDatabase served;
  Service service(served.database(), served.tokens(), options);
  const auto call = [&](const std::string& path, int64_t ms, const Status& status) {
    told_.clear();
    CallRecord record;
    EXPECT_OK(service.Admit({.method = FindMethod(path), .request_id = "r-1"}, &record));
    record.collection = "c";
    record.queue_nanos = 5'000'000;
    clock_.monotonic_nanos += ms * 1'000'000;
    service.Ended(record, status);
    return JsonLines(told_);
  };
  constexpr char kSearch[] = "/leadline.v1.Search/Search";
  EXPECT_TRUE(call(kSearch, 1000, OkStatus()).empty());
  EXPECT_TRUE(call(kSearch, 1, NotFoundError("what the client sent")).empty());
  EXPECT_TRUE(call("/leadline.v1.Maintenance/Check", 100'000, OkStatus()).empty());
  EXPECT_TRUE(call("/leadline.v1.Records/Ingest", 100'000, OkStatus()).empty());

  std::vector<Json> lines = call(kSearch, 1001, InvalidArgumentError("what the client sent"));
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["message"], "slow call");
  EXPECT_EQ(lines[0]["level"], "warning");
  EXPECT_EQ(lines[0]["method"], kSearch);
  EXPECT_EQ(lines[0]["collection"], "c");
  EXPECT_EQ(lines[0]["queue_us"], 5000);
  EXPECT_EQ(lines[0]["total_us"], 1'001'000);
  EXPECT_EQ(told_.find("client sent"), std::string::npos);

  for (const Status& status : {InternalError("broken invariant"), DataLossError("broken file")}) {
    lines = call(kSearch, 1, status);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0]["level"], "error");
    EXPECT_EQ(lines[0]["request_id"], "r-1");
    EXPECT_EQ(lines[0]["error"], status.message());
  }
  lines = call(kSearch, 1, DataLossError("record without its vector: id=of-a-client"));
  EXPECT_EQ(lines[0]["error"], "record without its vector:");
}

size_t LinesOf(const std::string& path) {
  const std::string text = testing::ReadFile(path);
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

CollectionOptions TwoNumbers() {
  CollectionOptions options;
  options.vectors = {{.dim = 2, .metric = Metric::kL2}};
  return options;
}

TEST(ServeLogs, TellsStartDrainAndEnd) {
  const testing::TempDir dir;
  ServedProgram served(dir.file("db"), {});
  const std::vector<Json> lines = JsonLines(served.Stop().err);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0]["message"], "serving");
  EXPECT_EQ(lines[0]["version"], std::string(Version()));
  EXPECT_EQ(lines[0]["database"], dir.file("db"));
  EXPECT_EQ(lines[0]["grpc"], "127.0.0.1:0");
  EXPECT_GT(lines[0]["grpc_port"], 0);
  EXPECT_EQ(lines[1]["message"], "stopping");
  EXPECT_EQ(lines[2]["message"], "stopped");
  EXPECT_EQ(ServedProgram(dir.file("db"), {"--quiet"}).Stop().err, "");
  const std::string text = ServedProgram(dir.file("db"), {"--log-format", "text"}).Stop().err;
  EXPECT_NE(text.find("Z info serving grpc=127.0.0.1:0 "), std::string::npos) << text;
}

TEST(ServeLogs, AuditGoesOnInANewFileAfterAHangup) {
  const testing::TempDir dir;
  const std::string path = dir.file("audit");
  ServedProgram served(dir.file("db"), {"--audit", path});
  const auto client = served.Connect();
  ASSERT_OK(client->CreateCollection("first", TwoNumbers()));
  EXPECT_EQ(LinesOf(path), 1U);
  ASSERT_OK(FileSystem::Posix()->RenameFile(path, path + ".1"));
  served.program().Signal(SIGHUP);
  for (int i = 0; i < 200 && !FileSystem::Posix()->FileExists(path).ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ASSERT_OK(client->CreateCollection("second", TwoNumbers()));
  EXPECT_EQ(LinesOf(path + ".1"), 1U);
  EXPECT_EQ(LinesOf(path), 1U);
  EXPECT_EQ(served.Stop().exit_code, 0);
  const ProgramOutput bad =
      testing::Leadline({"serve", dir.file("db"), "--audit", dir.file("no/such/folder")});
  EXPECT_EQ(bad.exit_code, 4);
  EXPECT_NE(bad.err.find("--audit"), std::string::npos) << bad.err;
}

TEST(ServeLogs, AuditSaysWhenceACallCame) {
  const testing::TempDir dir;
  const std::string path = dir.file("audit");
  ServedProgram served(dir.file("db"), {"--audit", path});
  ASSERT_OK(served.Connect()->CreateCollection("first", TwoNumbers()));
  EXPECT_EQ(RawHttp(served.http_port())
                .Ask("POST", "/v1/collections", R"({"name":"second","dim":2})")
                .status,
            200);
  EXPECT_EQ(served.Stop().exit_code, 0);
  RunningProgram v6({"serve", dir.file("db"), "--grpc", "[::1]:0", "--http",
                     "unix:" + dir.file("s"), "--audit", path, "--json"});
  std::string line;
  ASSERT_TRUE(v6.ReadLine(&line));
  ASSERT_OK_AND_ASSIGN(
      const auto client,
      Client::Connect("[::1]:" + std::to_string(Json::parse(line)["grpc_port"].get<int>())));
  ASSERT_OK(client->CreateCollection("third", TwoNumbers()));
  v6.Signal(SIGTERM);
  EXPECT_EQ(v6.Wait().exit_code, 0);
  std::ifstream file(path);
  const std::vector<Json> lines = JsonLines(
      std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_TRUE(lines[0]["peer"].get<std::string>().starts_with("127.0.0.1:")) << lines[0];
  EXPECT_TRUE(lines[1]["peer"].get<std::string>().starts_with("127.0.0.1:")) << lines[1];
  EXPECT_TRUE(lines[2]["peer"].get<std::string>().starts_with("[::1]:")) << lines[2];
}

TEST(ServeLogs, RateOfTheServerAndOfATokenHold) {
  const testing::TempDir dir;
  const auto allowed = [](const std::unique_ptr<Database>& client) {
    int calls = 0;
    for (Status status = OkStatus(); status.ok() && calls < 100; ++calls) {
      status = client->ListCollections().status();
      EXPECT_TRUE(status.ok() || status.code() == StatusCode::kResourceExhausted)
          << status.message();
    }
    return calls;
  };
  {
    ServedProgram served(dir.file("db"), {"--rate", "2"});
    EXPECT_LT(allowed(served.Connect()), 50) << "50 calls took less than the 24 s of their rate";
  }
  ASSERT_EQ(testing::Leadline({"token", "create", dir.file("db"), "--rate", "7", "--burst", "9"})
                .exit_code,
            0);
  ASSERT_EQ(testing::Leadline({"token", "create", dir.file("db")}).exit_code, 0);
  const std::vector<Json> listed =
      testing::Leadline({"token", "list", dir.file("db"), "--json"}).JsonLines();
  ASSERT_EQ(listed.size(), 2U);
  EXPECT_EQ(listed[0]["rate"], 7);
  EXPECT_EQ(listed[0]["burst"], 9);
  EXPECT_TRUE(listed[1]["rate"].is_null());
  const ProgramOutput alone =
      testing::Leadline({"token", "create", dir.file("db"), "--burst", "9"});
  EXPECT_EQ(alone.exit_code, 2);
  EXPECT_NE(alone.err.find("--burst"), std::string::npos);
}

}  // namespace
}  // namespace leadline::rpc
