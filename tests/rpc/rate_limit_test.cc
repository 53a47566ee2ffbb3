// Calls a second of each token: exact over a long run whatever the steps of time, the advice when
// to come back holds, one token takes nothing from another, and nothing is kept of tokens that are
// gone.

#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "leadline/v1/records.pb.h"
#include "rate_limiter.h"
#include "raw_call.h"
#include "served_database.h"
#include "test_clock.h"
#include "test_environment.h"

namespace leadline::rpc {
namespace {

using testing::StatusIs;
using testing::TestClock;

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kSecond = 1'000 * kMs;

class RateLimit : public ::testing::Test {
 protected:
  RateLimit() { clock_.nanos_per_look = 0; }

  TestClock clock_;
};

TEST_F(RateLimit, IsWithinTwoPercentOfTheRateForAnySteps) {
  const uint64_t seed = testing::FromEnvironment("LEADLINE_TEST_SEED", 20261126);
  SCOPED_TRACE("LEADLINE_TEST_SEED=" + std::to_string(seed));
  Rng rng(seed);
  constexpr int64_t kRun = 100 * kSecond;
  for (const uint32_t rate : {1U, 3U, 7U, 100U, 999U, 20'000U}) {
    for (const uint32_t burst : {0U, 1U, 50U}) {
      SCOPED_TRACE(std::to_string(rate) + "/s, burst " + std::to_string(burst));
      RateLimiter limiter(&clock_);
      const CallRate limit{rate, burst};
      while (limiter.Take("t", limit) == 0) {
      }
      // Callers ask ten times as often as they may, in steps of any size below that.
      const auto step = static_cast<uint64_t>(kSecond / rate / 5);
      int64_t allowed = 0;
      for (int64_t passed = 0; passed < kRun && allowed < 200'000;) {
        const auto next = static_cast<int64_t>(rng.Uniform(step) + 1);
        passed += next;
        clock_.monotonic_nanos += next;
        clock_.unix_millis += static_cast<int64_t>(rng.Uniform(7'200'000)) - 3'600'000;
        allowed += limiter.Take("t", limit) == 0 ? 1 : 0;
        if (allowed == 200'000 || passed >= kRun) {
          const double due = static_cast<double>(rate) * static_cast<double>(passed) / 1e9;
          EXPECT_NEAR(static_cast<double>(allowed), due, std::max(1.0, 0.02 * due));
        }
      }
    }
  }
}

TEST_F(RateLimit, TheBurstIsThereAfterAPauseAndNoMore) {
  RateLimiter limiter(&clock_);
  const CallRate limit{10, 25};
  for (const int64_t pause : {int64_t{0}, 5 * kSecond, 3600 * kSecond}) {
    clock_.monotonic_nanos += pause;
    int allowed = 0;
    while (limiter.Take("t", limit) == 0) {
      ++allowed;
    }
    EXPECT_EQ(allowed, 25) << pause;
  }
}

TEST_F(RateLimit, TheAdviceHolds) {
  for (const uint32_t rate : {1U, 3U, 7U, 100U, 999U, 5000U}) {
    SCOPED_TRACE(rate);
    RateLimiter limiter(&clock_);
    const CallRate limit{rate, 1};
    ASSERT_EQ(limiter.Take("t", limit), 0);
    for (int i = 0; i < 100; ++i) {
      const int64_t wait = limiter.Take("t", limit);
      ASSERT_GE(wait, 1);
      ASSERT_LE(wait, 1000 / rate + 1);
      if (wait > 1) {
        clock_.monotonic_nanos += (wait - 1) * kMs - 1;
        ASSERT_GE(limiter.Take("t", limit), 1) << "came too early and was let in";
        clock_.monotonic_nanos += 1;
      }
      clock_.monotonic_nanos += wait > 1 ? kMs : wait * kMs;
      ASSERT_EQ(limiter.Take("t", limit), 0) << "waited as told and was refused";
    }
  }
}

TEST_F(RateLimit, TokensTakeNothingFromEachOther) {
  RateLimiter limiter(&clock_);
  const CallRate limit{5, 5};
  for (int i = 0; i < 1000; ++i) {
    limiter.Take("greedy", limit);
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(limiter.Take("modest", limit), 0);
  }
  EXPECT_GT(limiter.Take("greedy", limit), 0);
  EXPECT_EQ(limiter.Take("free", {}), 0);
}

TEST_F(RateLimit, ForgetsTokensThatAreGoneAndBucketsThatAreFull) {
  RateLimiter limiter(&clock_);
  const CallRate slow{1, 1'000'000};
  for (int i = 0; i < 1000; ++i) {
    limiter.Take("gone" + std::to_string(i), slow);
  }
  while (limiter.Take("here", {1, 100}) == 0) {
  }
  EXPECT_EQ(limiter.size(), 1001U);
  const auto alive = [](const std::string& id) { return id == "here"; };
  limiter.Sweep(alive);
  EXPECT_EQ(limiter.size(), 1U);
  EXPECT_GT(limiter.Take("here", {1, 100}), 0) << "forgotten while it was empty";
  clock_.monotonic_nanos += 100 * kSecond;
  limiter.Sweep(alive);
  EXPECT_EQ(limiter.size(), 0U);
}

class ServedRate : public ::testing::Test {
 protected:
  ServedRate() {
    clock_.nanos_per_look = 0;
    CollectionOptions collection;
    collection.vectors = {{.dim = 2, .metric = Metric::kL2}};
    EXPECT_OK(served_.database()->CreateCollection("c", collection));
    ServiceOptions options;
    options.clock = &clock_;
    options.rate = {.per_second = 4};
    service_ = std::make_unique<Service>(served_.database(), served_.tokens(), options);
  }

  /// How many calls come in until one is refused; `advice` is that one's.
  int AllowedCalls(const std::string& path, const std::string& token, int64_t* advice) {
    const std::string authorization = "Bearer " + token;
    for (int allowed = 0; allowed < 1000; ++allowed) {
      CallRecord record;
      const auto caller = service_->Admit(
          {.method = FindMethod(path), .authorization = token.empty() ? "" : authorization},
          &record);
      service_->Ended(record, caller.status());
      if (!caller.ok()) {
        EXPECT_THAT(caller, StatusIs(StatusCode::kResourceExhausted, "limit="));
        EXPECT_EQ(record.refusal, Refusal::kRate);
        *advice = record.retry_after_ms;
        return allowed;
      }
    }
    return 1000;
  }

  TestClock clock_;
  ServedDatabase served_;
  std::unique_ptr<Service> service_;
};

TEST_F(ServedRate, CallersWithoutATokenShareTheServersRate) {
  int64_t advice = 0;
  EXPECT_EQ(AllowedCalls("/leadline.v1.Maintenance/Info", "", &advice), 4);
  EXPECT_EQ(advice, 250);
  EXPECT_EQ(AllowedCalls("/leadline.v1.Collections/List", "", &advice), 0);
  clock_.monotonic_nanos += 250 * kMs;
  EXPECT_EQ(AllowedCalls("/leadline.v1.Collections/List", "", &advice), 1);
  EXPECT_EQ(AllowedCalls("/grpc.health.v1.Health/Check", "", &advice), 1000);
}

TEST_F(ServedRate, ATokenHasItsOwnRateElseTheServers) {
  TokenRequest request;
  const auto create = [&](std::optional<CallRate> rate) {
    request.rate = rate;
    const auto token = served_.tokens()->Create(request);
    EXPECT_OK(token);
    return *token;
  };
  const std::string plain = create({});
  const std::string fast = create(CallRate{100, 10});
  const std::string second = create(CallRate{100, 0});
  const std::string free = create(CallRate{0, 0});
  constexpr char kInfo[] = "/leadline.v1.Maintenance/Info";
  int64_t advice = 0;
  EXPECT_EQ(AllowedCalls(kInfo, plain, &advice), 4);
  EXPECT_EQ(AllowedCalls(kInfo, fast, &advice), 10);
  EXPECT_EQ(advice, 10);
  EXPECT_EQ(AllowedCalls(kInfo, second, &advice), 100);
  EXPECT_EQ(AllowedCalls(kInfo, free, &advice), 1000);
  request.rate = {CallRate::kMax + 1, 0};
  EXPECT_THAT(served_.tokens()->Create(request),
              StatusIs(StatusCode::kInvalidArgument, "rate, burst"));
}

TEST_F(ServedRate, EachRequestOfAStreamCostsOneBesideItsArrival) {
  const Method& ingest = *FindMethod("/leadline.v1.Records/Ingest");
  CallRecord record;
  ASSERT_OK_AND_ASSIGN(const Caller caller, service_->Admit({.method = &ingest}, &record));
  v1::UpsertRequest request;
  request.set_collection("c");
  v1::Record* written = request.add_records();
  written->set_id("a");
  written->add_vector(1);
  written->add_vector(2);
  CancelToken cancel;
  const auto answer = [&] {
    v1::WriteResponse response;
    return service_->Answer(ingest, {&caller, &cancel, 0, &record}, request, &response);
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_OK(answer());
  }
  EXPECT_EQ(record.count, 3U);
  EXPECT_THAT(answer(), StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(record.refusal, Refusal::kRate);
  EXPECT_EQ(record.retry_after_ms, 250);
  EXPECT_EQ(record.sequence, served_.database()->Stats()->sequence);
  EXPECT_GT(record.sequence, 0U);
}

TEST(ServedRateOverGrpc, TheErrorTellsWhenToComeBack) {
  ServiceOptions options;
  options.rate = {.per_second = 1, .burst = 1};
  const ServedDatabase served(options);
  const Method& info = *FindMethod("/leadline.v1.Maintenance/Info");
  for (int i = 0;; ++i) {
    ASSERT_LT(i, 20) << "20 calls took less than the 19 s that they should";
    const RawAnswer raw = CallRaw(served.address(), info.path, *RequestFor(info, ""), {});
    if (!raw.status.ok()) {
      EXPECT_EQ(raw.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
      EXPECT_TRUE(raw.error().retryable());
      EXPECT_GE(raw.error().retry_after_ms(), 1);
      EXPECT_LE(raw.error().retry_after_ms(), 1000);
      break;
    }
  }
}

}  // namespace
}  // namespace leadline::rpc
