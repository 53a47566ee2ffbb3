// What Service::MetricsText says, read by a parser of its own: each call counts once, with its
// method, transport and code, the refused ones too, and gauges tell the state of the database.

#include <thread>

#include <gtest/gtest.h>

#include "leadline/core/version.h"
#include "leadline/v1/health.pb.h"
#include "leadline/v1/search.pb.h"
#include "metrics_text.h"
#include "raw_call.h"
#include "served_database.h"

namespace leadline::rpc {
namespace {

using testing::StatusIs;

class Metrics : public ::testing::Test {
 protected:
  static std::string Label(const Method& method) { return method.path.substr(1); }

  static std::unique_ptr<ServedDatabase> Serve(const ServiceOptions& options = {}) {
    auto served = std::make_unique<ServedDatabase>(options);
    CollectionOptions collection;
    collection.vectors = {{.dim = 2, .metric = Metric::kL2}};
    EXPECT_OK(served->database()->CreateCollection("c", collection));
    return served;
  }
};

TEST_F(Metrics, EveryMethodLeavesOneCallWithItsCode) {
  const auto served = Serve();
  for (const Method& method : Methods()) {
    SCOPED_TRACE(method.path);
    const RawAnswer raw =
        CallRaw(served->address(), method.path, *RequestFor(method, "nowhere"), {});
    const MetricsText text(served->service()->MetricsText());
    EXPECT_EQ(text.Sum("leadline_calls_total", {{"method", Label(method)}}), 1);
    const auto code = static_cast<StatusCode>(raw.status.error_code());
    EXPECT_EQ(text.Value("leadline_calls_total", {{"method", Label(method)},
                                                  {"transport", "grpc"},
                                                  {"code", std::string(StatusCodeName(code))}}),
              1);
    EXPECT_EQ(text.Value("leadline_call_seconds_count", {{"method", Label(method)}}), 1);
  }
  const MetricsText text(served->service()->MetricsText());
  EXPECT_EQ(text.Sum("leadline_calls_total"), static_cast<double>(Methods().size()));
  EXPECT_EQ(text.Sum("leadline_refused_total"), 0);
  EXPECT_EQ(text.Value("leadline_calls_in_flight"), 0);
  for (const char* stage : {"queue", "parse", "work", "write"}) {
    EXPECT_EQ(text.Sum("leadline_call_stage_seconds_count", {{"stage", stage}}),
              static_cast<double>(Methods().size()))
        << stage;
  }
}

TEST_F(Metrics, RefusedCallsCountWithTheirReason) {
  const auto served = Serve();
  const auto call = [&served](const std::string& token) {
    CallRaw(served->address(), "/leadline.v1.Records/Upsert", v1::SearchRequest(),
            {{"authorization", "Bearer " + token}});
  };
  ASSERT_OK_AND_ASSIGN(const std::string token, served->tokens()->Create({}));
  TokenRequest slow;
  slow.role = v1::ROLE_WRITE;
  slow.rate = {1, 1};
  ASSERT_OK_AND_ASSIGN(const std::string slow_token, served->tokens()->Create(slow));
  call("x");
  call("y");
  call(token);
  for (int i = 0; i < 20; ++i) {
    call(slow_token);  // all of them take less than the 19 s that the rate asks for
  }
  CallRaw(served->address(), "/leadline.v1.Nothing/Nothing", v1::SearchRequest(), {});
  const MetricsText text(served->service()->MetricsText());
  const auto refused = [&text](const std::string& reason) {
    return text.Value("leadline_refused_total", {{"reason", reason}});
  };
  EXPECT_EQ(refused("unauthenticated"), 2);
  EXPECT_EQ(refused("permission"), 1);
  EXPECT_GE(refused("rate"), 1);
  EXPECT_LE(refused("rate"), 19);
  EXPECT_EQ(refused("queue"), 0);
  EXPECT_EQ(text.Sum("leadline_calls_total", {{"code", "RESOURCE_EXHAUSTED"}}), refused("rate"));
  EXPECT_EQ(text.Value("leadline_calls_total",
                       {{"method", "unknown"}, {"transport", "grpc"}, {"code", "UNIMPLEMENTED"}}),
            1);
  EXPECT_EQ(text.Value("leadline_calls_in_flight"), 0);
}

TEST_F(Metrics, AFullQueueIsSeenAndItsRefusalCounts) {
  ServiceOptions options;
  options.search_slots = 1;
  options.search_queue = 1;
  const auto served = Serve(options);
  Service* const service = served->service();
  const Method& search = *FindMethod("/leadline.v1.Search/Search");
  CallRecord records[3];
  for (CallRecord& record : records) {
    ASSERT_OK(service->Admit({.method = &search}, &record));
  }
  EXPECT_OK(service->Submit(search, &records[0], [&] {
    EXPECT_OK(service->Submit(search, &records[1], [] {}));
    const Status third = service->Submit(search, &records[2], [] {});
    EXPECT_THAT(third, StatusIs(StatusCode::kResourceExhausted));
    service->Ended(records[2], third);
    const MetricsText text(service->MetricsText());
    EXPECT_EQ(text.Value("leadline_queue_waiting", {{"lane", "search"}}), 1);
    EXPECT_EQ(text.Value("leadline_queue_waiting", {{"lane", "long"}}), 0);
    EXPECT_EQ(text.Value("leadline_refused_total", {{"reason", "queue"}}), 1);
    EXPECT_EQ(text.Value("leadline_calls_in_flight"), 2);
  }));
  EXPECT_GT(records[2].retry_after_ms, 0);
  EXPECT_GT(records[1].queue_nanos, 0);
  EXPECT_EQ(
      MetricsText(service->MetricsText()).Value("leadline_queue_waiting", {{"lane", "search"}}), 0);
}

TEST_F(Metrics, GaugesTellTheStateOfTheDatabase) {
  const auto served = Serve();
  const auto client = served->Connect();
  ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
  std::vector<Record> records(2);
  records[0].id = "a";
  records[0].vector = {1, 2};
  records[1].id = "b";
  records[1].vector = {3, 4};
  ASSERT_OK(collection->Upsert(records));
  const MetricsText text(served->service()->MetricsText());
  EXPECT_EQ(text.Value("leadline_collection_rows", {{"collection", "c"}}), 2);
  EXPECT_EQ(text.Value("leadline_collection_tail_rows", {{"collection", "c"}}), 2);
  EXPECT_EQ(text.Value("leadline_collection_segments", {{"collection", "c"}}), 0);
  EXPECT_GT(text.Value("leadline_collection_resident_bytes", {{"collection", "c"}}), 0);
  EXPECT_EQ(text.Value("leadline_collection_degraded", {{"collection", "c"}}), 0);
  EXPECT_EQ(text.Value("leadline_collections"), 1);
  EXPECT_EQ(text.Value("leadline_degraded"), 0);
  EXPECT_EQ(text.Value("leadline_ready"), 1);
  EXPECT_GT(text.Value("leadline_received_bytes_total", {{"transport", "grpc"}}), 10);
  EXPECT_GT(text.Value("leadline_sent_bytes_total", {{"transport", "grpc"}}), 0);
  EXPECT_EQ(text.Sum("leadline_build_info", {{"version", std::string(Version())}}), 1);
  EXPECT_GT(text.Value("process_resident_memory_bytes"), 1e6);
  EXPECT_GT(text.Value("process_open_fds"), 3);
  EXPECT_GE(text.Value("process_max_fds"), text.Value("process_open_fds"));
  const auto now = static_cast<double>(Clock::System()->UnixMillis()) / 1000;
  EXPECT_NEAR(text.Value("process_start_time_seconds"), now, 600);
  served->service()->Drain();
  EXPECT_EQ(MetricsText(served->service()->MetricsText()).Value("leadline_ready"), 0);
}

TEST_F(Metrics, CallsOfManyThreadsAllCountWhileTheyAreRead) {
  constexpr int kThreads = 4;
  constexpr int kCalls = 2000;
  const auto served = Serve();
  Service* const service = served->service();
  std::atomic<bool> done{false};
  std::thread reader([&] {
    double before = 0;
    while (!done.load()) {
      const double calls = MetricsText(service->MetricsText()).Sum("leadline_calls_total");
      EXPECT_GE(calls, before);
      before = calls;
    }
  });
  std::vector<std::thread> callers;
  for (int t = 0; t < kThreads; ++t) {
    callers.emplace_back([service, t] {
      for (int i = 0; i < kCalls; ++i) {
        const Method& method = Methods()[static_cast<size_t>(i + t) % Methods().size()];
        CallRecord record;
        EXPECT_OK(service->Admit({.method = &method, .transport = Transport::kHttp}, &record));
        service->Ended(record, i % 2 == 0 ? OkStatus() : NotFoundError("x"));
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  done.store(true);
  reader.join();
  const MetricsText text(service->MetricsText());
  EXPECT_EQ(text.Sum("leadline_calls_total", {{"transport", "http"}}), kThreads * kCalls);
  EXPECT_EQ(text.Sum("leadline_calls_total", {{"code", "NOT_FOUND"}}), kThreads * kCalls / 2);
  EXPECT_EQ(text.Sum("leadline_call_seconds_count"), kThreads * kCalls);
  EXPECT_EQ(text.Value("leadline_calls_in_flight"), 0);
}

}  // namespace
}  // namespace leadline::rpc
