// Searches that wait and are alike are answered in one batch, and each of them gets what it would
// have got alone. One thread and one slot, in an order that is fixed; in the last tests calls come
// over real connections, and the slot is held until all of them wait.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "http_channel.h"
#include "leadline/core/rng.h"
#include "leadline/leadline.h"
#include "leadline/rpc/limits.h"
#include "leadline/rpc/search_wire.h"
#include "leadline/v1/search.pb.h"
#include "metrics_text.h"
#include "served_database.h"
#include "service_call.h"
#include "test_clock.h"
#include "test_environment.h"

namespace leadline::rpc {
namespace {

using testing::StatusIs;

constexpr size_t kDim = 16;
constexpr size_t kRows = 3000;
constexpr char kSearch[] = "/leadline.v1.Search/Search";

using SearchCall = ServiceCall<v1::SearchRequest, v1::SearchResponse>;
using BatchCall = ServiceCall<v1::SearchBatchRequest, v1::SearchBatchResponse>;

ServiceOptions Gathering(uint64_t micros = kMaxGatherMicros) {
  ServiceOptions options;
  options.search_slots = 1;
  options.ahead_yields = false;
  options.gather_micros = micros;
  return options;
}

/// What answers say, whatever they took.
std::string Shown(v1::SearchResponse response) {
  response.clear_took_us();
  return response.DebugString();
}

class GatherTest : public ::testing::Test {
 protected:
  explicit GatherTest(const ServiceOptions& options = Gathering()) : served_(options) {}

  /// Two segments and a tail.
  void Fill(IndexKind index, CodeType codes, Metric metric = Metric::kL2) {
    CollectionOptions options;
    options.vectors = {{.dim = kDim, .metric = metric, .index = index, .codes = codes}};
    ASSERT_OK_AND_ASSIGN(docs_, served_.database()->CreateCollection("docs", options));
    for (const size_t rows : {kRows, kRows / 10, kRows / 100}) {
      std::vector<Record> records;
      for (size_t i = 0; i < rows; ++i) {
        Record record;
        record.id = std::to_string(rows) + "-" + std::to_string(i);
        record.vector = RandomVector();
        record.payload = "{\"n\":" + std::to_string(i % 10) + "}";
        records.push_back(std::move(record));
      }
      ASSERT_OK(docs_->Upsert(std::move(records)));
      if (rows > kRows / 100) {
        ASSERT_OK(docs_->Optimize());
      }
    }
  }

  std::vector<float> RandomVector() {
    std::vector<float> vector;
    for (size_t d = 0; d < kDim; ++d) {
      vector.push_back(static_cast<float>(rng_.Gaussian()));
    }
    return vector;
  }

  v1::SearchRequest RandomQuery() {
    v1::SearchRequest request;
    request.set_collection("docs");
    for (const float value : RandomVector()) {
      request.add_vector(value);
    }
    return request;
  }

  /// The answer of the library, which knows no others.
  std::string Alone(const v1::SearchRequest& request) {
    Result<SearchOptions> options = ReadSearchOptions(request.options());
    EXPECT_OK(options);
    const std::vector<float> query(request.vector().begin(), request.vector().end());
    Result<SearchResponse> found = docs_->Search(query, *options);
    EXPECT_OK(found);
    v1::SearchResponse response;
    WriteSearchResponse(*std::move(found), &response);
    return Shown(response);
  }

  SearchCall* Add(const v1::SearchRequest& request, const std::string& who = "a",
                  const std::string& token = "") {
    calls_.push_back(std::make_unique<SearchCall>(served_.service(), kSearch, who, request, token));
    requests_.push_back(request);
    return calls_.back().get();
  }

  void Submit(size_t i) {
    calls_[i]->Submit([this, i] { order_.push_back(i); });
  }

  /// Holds the only slot while `submit` brings calls; returns when all of them have ended.
  void WhileTheSlotIsTaken(const std::function<void()>& submit) {
    CallRecord record;
    EXPECT_OK(served_.service()->Submit(*FindMethod(kSearch), &record, submit));
  }

  void SubmitAll() {
    WhileTheSlotIsTaken([this] {
      for (size_t i = 0; i < calls_.size(); ++i) {
        Submit(i);
      }
    });
    EXPECT_EQ(order_.size(), calls_.size());
  }

  void ExpectRight(size_t i) {
    EXPECT_OK(calls_[i]->status);
    EXPECT_EQ(Shown(calls_[i]->response), Alone(requests_[i])) << i;
  }

  [[nodiscard]] double Gathered(const std::string& name) {
    return MetricsText(served_.service()->MetricsText()).Value("leadline_gathered_queries_" + name);
  }

  void ExpectGathered(double batches, double queries) {
    EXPECT_EQ(Gathered("count"), batches);
    EXPECT_EQ(Gathered("sum"), queries);
  }

  Rng rng_{testing::TestSeed(31)};
  ServedDatabase served_;
  std::shared_ptr<Collection> docs_;
  std::vector<std::unique_ptr<SearchCall>> calls_;
  std::vector<v1::SearchRequest> requests_;
  std::vector<size_t> order_;  // of the answers
};

struct Kind {
  IndexKind index;
  CodeType codes;
};

class GatheredKinds : public GatherTest, public ::testing::WithParamInterface<Kind> {};

TEST_P(GatheredKinds, AnswersAreThoseOfSearchesAlone) {
  Fill(GetParam().index, GetParam().codes);
  for (int i = 0; i < 40; ++i) {
    v1::SearchRequest request = RandomQuery();
    request.mutable_options()->set_limit(12);
    request.mutable_options()->set_full_scan_threshold(0);
    request.mutable_options()->set_nprobe(2);
    request.mutable_options()->set_filter("n < 5");
    request.mutable_options()->set_rescore(1);  // what codes say decides
    request.mutable_options()->set_ef_search(12);
    Add(request, i % 3 == 0 ? "a" : "b");
  }
  SubmitAll();
  for (size_t i = 0; i < calls_.size(); ++i) {
    ExpectRight(i);
    EXPECT_EQ(calls_[i]->response.hits_size(), 12);
    EXPECT_GT(calls_[i]->record().queue_nanos, 0);
    EXPECT_GT(calls_[i]->record().work_nanos, 0);
  }
  ExpectGathered(2, 40);  // 32, and what was left
}

INSTANTIATE_TEST_SUITE_P(Kinds, GatheredKinds,
                         ::testing::Values(Kind{IndexKind::kFlat, CodeType::kF32},
                                           Kind{IndexKind::kFlat, CodeType::kSq8},
                                           Kind{IndexKind::kHnsw, CodeType::kF32},
                                           Kind{IndexKind::kHnsw, CodeType::kSq8},
                                           Kind{IndexKind::kIvf, CodeType::kSq8},
                                           Kind{IndexKind::kIvf, CodeType::kPq4}),
                         [](const auto& tested) {
                           return std::string(IndexKindName(tested.param.index)) + "_" +
                                  std::string(CodeTypeName(tested.param.codes));
                         });

TEST_F(GatherTest, OnlyWhatIsAlikeGoesTogether) {
  Fill(IndexKind::kHnsw, CodeType::kF32, Metric::kCosine);
  for (int i = 0; i < 30; ++i) {
    v1::SearchRequest request = RandomQuery();
    v1::SearchOptions* const options = request.mutable_options();
    switch (i % 6) {
      case 0:
        options->set_limit(3);
        break;
      case 1:
        options->set_filter("n < 5");
        break;
      case 2:
        options->set_exact(true);
        break;
      case 3:
        options->set_with_payload(false);
        options->set_with_vectors(true);
        break;
      case 4:
        options->set_min_score(0.3F);
        break;
      default:
        break;
    }
    Add(request);
  }
  SubmitAll();
  for (size_t i = 0; i < calls_.size(); ++i) {
    ExpectRight(i);
  }
  ExpectGathered(6, 30);
}

TEST_F(GatherTest, WhatHasAMomentOrAPlanOfItsOwnIsAnsweredAlone) {
  Fill(IndexKind::kHnsw, CodeType::kF32);
  for (int i = 0; i < 3; ++i) {
    v1::SearchRequest explained = RandomQuery();
    explained.mutable_options()->set_explain(true);
    Add(explained);
    v1::SearchRequest grouped = RandomQuery();
    grouped.mutable_options()->set_group_by("n");
    Add(grouped);
    v1::SearchRequest large = RandomQuery();
    large.mutable_options()->set_limit(1001);
    Add(large);
  }
  SubmitAll();
  for (size_t i = 0; i < calls_.size(); ++i) {
    ExpectRight(i);
  }
  ExpectGathered(0, 0);
}

TEST_F(GatherTest, WhoFindsNothingWaitingIsAnsweredAtOnce) {
  Fill(IndexKind::kFlat, CodeType::kF32);
  for (size_t i = 0; i < 3; ++i) {
    Add(RandomQuery());
    Submit(i);
    ASSERT_EQ(order_.size(), i + 1);
    ExpectRight(i);
  }
  ExpectGathered(0, 0);
}

TEST_F(GatherTest, WhoIsLateOrLeftEndsByItselfAndHarmsNobody) {
  Fill(IndexKind::kHnsw, CodeType::kF32);
  for (int i = 0; i < 8; ++i) {
    Add(RandomQuery());
  }
  calls_[0]->deadline_nanos = Clock::System()->MonotonicNanos() - 1;
  calls_[3]->cancel.Cancel();
  calls_[5]->deadline_nanos = Clock::System()->MonotonicNanos() - 1;
  calls_[6]->deadline_nanos = Clock::System()->MonotonicNanos() + 60'000'000'000;
  SubmitAll();
  for (const size_t late : {size_t{0}, size_t{5}}) {
    EXPECT_THAT(calls_[late]->status, StatusIs(StatusCode::kDeadlineExceeded));
  }
  EXPECT_THAT(calls_[3]->status, StatusIs(StatusCode::kCancelled));
  for (const size_t sound : {1, 2, 4, 6, 7}) {
    ExpectRight(sound);
  }
  ExpectGathered(1, 5);
}

TEST_F(GatherTest, WhoLeavesWhileTheBatchIsSearchedIsToldSo) {
  Fill(IndexKind::kHnsw, CodeType::kF32);
  for (int i = 0; i < 3; ++i) {
    Add(RandomQuery());
  }
  WhileTheSlotIsTaken([this] {
    calls_[0]->Submit([this] { calls_[1]->cancel.Cancel(); });
    Submit(1);
    Submit(2);
  });
  ExpectRight(0);
  EXPECT_THAT(calls_[1]->status, StatusIs(StatusCode::kCancelled));
  ExpectRight(2);
  ExpectGathered(1, 3);
}

TEST_F(GatherTest, AFaultyCallHasItsOwnError) {
  Fill(IndexKind::kHnsw, CodeType::kF32, Metric::kCosine);
  for (int i = 0; i < 4; ++i) {
    Add(RandomQuery());
  }
  v1::SearchRequest faulty = RandomQuery();
  faulty.mutable_vector()->Truncate(kDim - 1);
  Add(faulty);
  v1::SearchRequest zero = RandomQuery();
  for (float& value : *zero.mutable_vector()) {
    value = 0;
  }
  Add(zero);
  v1::SearchRequest elsewhere = RandomQuery();
  elsewhere.set_collection("nowhere");
  Add(elsewhere);
  v1::SearchRequest empty;
  empty.set_collection("docs");
  Add(empty);
  v1::SearchRequest text = empty;
  text.set_text("words");
  Add(text);
  SubmitAll();
  for (size_t i = 0; i < 4; ++i) {
    ExpectRight(i);
  }
  EXPECT_THAT(calls_[4]->status, StatusIs(StatusCode::kInvalidArgument, "dimension"));
  EXPECT_THAT(calls_[5]->status, StatusIs(StatusCode::kInvalidArgument, "query 0"));
  EXPECT_THAT(calls_[6]->status, StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(calls_[7]->status, StatusIs(StatusCode::kInvalidArgument, "nothing to look for"));
  EXPECT_THAT(calls_[8]->status, StatusIs(StatusCode::kInvalidArgument, "embedder"));
  ExpectGathered(1, 4);
}

TEST_F(GatherTest, AnErrorOfAllIsThatOfEach) {
  Fill(IndexKind::kHnsw, CodeType::kF32);
  for (int i = 0; i < 3; ++i) {
    v1::SearchRequest request = RandomQuery();
    request.mutable_options()->set_filter("n <");
    Add(request);
  }
  SubmitAll();
  for (const auto& call : calls_) {
    EXPECT_THAT(call->status, StatusIs(StatusCode::kInvalidArgument));
    EXPECT_EQ(call->status.message(), calls_[0]->status.message());
  }
  ExpectGathered(0, 0);
}

TEST_F(GatherTest, WhoMayNotReadTheCollectionIsRefusedAlone) {
  Fill(IndexKind::kHnsw, CodeType::kF32);
  ASSERT_OK_AND_ASSIGN(const std::string all, served_.tokens()->Create({}));
  TokenRequest other;
  other.collections = {"others"};
  ASSERT_OK_AND_ASSIGN(const std::string limited, served_.tokens()->Create(other));
  Add(RandomQuery(), "a", all);
  Add(RandomQuery(), "a", limited);
  Add(RandomQuery(), "b", all);
  SubmitAll();
  ExpectRight(0);
  EXPECT_THAT(calls_[1]->status, StatusIs(StatusCode::kPermissionDenied));
  EXPECT_EQ(calls_[1]->record().refusal, Refusal::kPermission);
  EXPECT_EQ(calls_[1]->response.hits_size(), 0);
  ExpectRight(2);
  EXPECT_EQ(calls_[2]->record().collection, "docs");
  ExpectGathered(1, 2);
}

TEST_F(GatherTest, OtherWorkThatIsNextIsNotTakenAlong) {
  Fill(IndexKind::kHnsw, CodeType::kF32);
  for (int i = 0; i < 4; ++i) {
    Add(RandomQuery());
  }
  v1::SearchBatchRequest several;
  several.set_collection("docs");
  const std::vector<float> vector = RandomVector();
  several.add_vectors()->mutable_values()->Add(vector.begin(), vector.end());
  BatchCall batch(served_.service(), "/leadline.v1.Search/SearchBatch", "a", several);
  WhileTheSlotIsTaken([&] {
    Submit(0);
    Submit(1);
    batch.Submit([this] { order_.push_back(99); });
    Submit(2);
    Submit(3);
  });
  EXPECT_EQ(order_, (std::vector<size_t>{0, 1, 99, 2, 3}));
  EXPECT_OK(batch.status);
  ExpectGathered(2, 4);
}

class GatherInAShortQueue : public GatherTest {
 protected:
  static ServiceOptions Short() {
    ServiceOptions options = Gathering();
    options.search_queue = 4;
    return options;
  }

  GatherInAShortQueue() : GatherTest(Short()) {}
};

TEST_F(GatherInAShortQueue, MoreThanMayWaitIsStillRefusedAtOnce) {
  Fill(IndexKind::kHnsw, CodeType::kF32);
  for (int i = 0; i < 3; ++i) {
    Add(RandomQuery());
  }
  WhileTheSlotIsTaken([this] {
    for (size_t i = 0; i < 3; ++i) {
      Submit(i);
    }
    CallRecord record;
    record.peer = [] { return "a"; };
    EXPECT_THAT(served_.service()->Submit(*FindMethod(kSearch), &record, [] {}),
                StatusIs(StatusCode::kResourceExhausted));
  });
  for (size_t i = 0; i < 3; ++i) {
    ExpectRight(i);
  }
  ExpectGathered(1, 3);
}

/// Its clock goes on by 300 us whenever somebody looks, so twice for each call that is gathered.
class GatherForAMillisecond : public GatherTest {
 protected:
  ServiceOptions SlowClock() {
    ServiceOptions options = Gathering(4000);
    clock_.nanos_per_look = 300'000;
    options.clock = &clock_;
    return options;
  }

  GatherForAMillisecond() : GatherTest(SlowClock()) {}

  static testing::TestClock clock_;
};

testing::TestClock GatherForAMillisecond::clock_;

TEST_F(GatherForAMillisecond, GatheringEndsWhenItsTimeIsUp) {
  Fill(IndexKind::kHnsw, CodeType::kF32);
  for (int i = 0; i < 12; ++i) {
    Add(RandomQuery());
  }
  SubmitAll();
  for (size_t i = 0; i < calls_.size(); ++i) {
    ExpectRight(i);
  }
  EXPECT_EQ(Gathered("sum"), 12);
  EXPECT_GT(Gathered("count"), 1);
  EXPECT_EQ(MetricsText(served_.service()->MetricsText())
                .Value("leadline_gathered_queries_bucket", {{"le", "8"}}),
            Gathered("count"))
      << "no batch of more than 8";
}

class GatherOff : public GatherTest {
 protected:
  GatherOff() : GatherTest(Gathering(0)) {}
};

TEST_F(GatherOff, EverySearchIsAnsweredByItself) {
  Fill(IndexKind::kHnsw, CodeType::kF32);
  for (int i = 0; i < 5; ++i) {
    Add(RandomQuery());
  }
  SubmitAll();
  for (size_t i = 0; i < calls_.size(); ++i) {
    ExpectRight(i);
  }
  ExpectGathered(0, 0);
}

/// Calls over real connections, which all wait before the first is searched.
class GatherOverTheWire : public GatherTest {
 protected:
  static constexpr size_t kCalls = 24;

  static ServiceOptions OneSlotAndRoom() {
    ServiceOptions options = Gathering();
    options.search_queue = 4 * kCalls;
    return options;
  }

  GatherOverTheWire() : GatherTest(OneSlotAndRoom()) {}

  [[nodiscard]] bool Waiting(size_t calls) {
    return MetricsText(served_.service()->MetricsText())
               .Value("leadline_queue_waiting", {{"lane", "search"}}) >= static_cast<double>(calls);
  }

  /// Runs `call` on as many threads while the slot is held until all of them wait.
  void AllAtOnce(size_t calls, const std::function<void(size_t)>& call) {
    std::vector<std::thread> threads;
    WhileTheSlotIsTaken([&] {
      for (size_t i = 0; i < calls; ++i) {
        threads.emplace_back([&call, i] { call(i); });
      }
      while (!Waiting(calls)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
};

TEST_F(GatherOverTheWire, CallersOfBothTransportsGetWhatTheyWouldAlone) {
  Fill(IndexKind::kIvf, CodeType::kPq4);
  std::vector<std::unique_ptr<Database>> databases;
  std::vector<std::shared_ptr<Collection>> remote;
  std::vector<std::vector<float>> vectors;
  std::vector<v1::SearchResponse> responses(kCalls);
  for (size_t i = 0; i < kCalls; ++i) {
    databases.push_back(i % 2 == 0 ? served_.Connect() : ConnectOverHttp(served_.http()->port()));
    ASSERT_OK_AND_ASSIGN(remote.emplace_back(), databases.back()->OpenCollection("docs"));
    vectors.push_back(RandomVector());
  }
  SearchOptions options;
  options.with_payload = true;
  options.full_scan_threshold = 0;
  options.nprobe = 2;
  options.rescore = 1;
  AllAtOnce(kCalls, [&](size_t i) {
    Result<SearchResponse> found = remote[i]->Search(vectors[i], options);
    EXPECT_OK(found);
    if (found.ok()) {
      WriteSearchResponse(*std::move(found), &responses[i]);
    }
  });
  for (size_t i = 0; i < kCalls; ++i) {
    ASSERT_OK_AND_ASSIGN(SearchResponse alone, docs_->Search(vectors[i], options));
    v1::SearchResponse expected;
    WriteSearchResponse(std::move(alone), &expected);
    EXPECT_EQ(Shown(responses[i]), Shown(expected)) << i;
  }
  EXPECT_GE(Gathered("count"), 1);
  EXPECT_EQ(Gathered("sum"), kCalls);
  const MetricsText text(served_.service()->MetricsText());
  EXPECT_EQ(
      text.Sum("leadline_calls_total", {{"method", "leadline.v1.Search/Search"}, {"code", "OK"}}),
      kCalls);
}

TEST_F(GatherOverTheWire, ADrainAnswersWhatWasGathered) {
  Fill(IndexKind::kHnsw, CodeType::kF32);
  const auto client = served_.Connect();
  ASSERT_OK_AND_ASSIGN(const auto remote, client->OpenCollection("docs"));
  std::vector<std::vector<float>> vectors;
  for (size_t i = 0; i < kCalls; ++i) {
    vectors.push_back(RandomVector());
  }
  std::vector<Status> statuses(kCalls);
  std::vector<std::thread> threads;
  WhileTheSlotIsTaken([&] {
    for (size_t i = 0; i < kCalls; ++i) {
      threads.emplace_back([&, i] { statuses[i] = remote->Search(vectors[i], {}).status(); });
    }
    while (!Waiting(kCalls)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    served_.service()->Drain();
  });
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const Status& status : statuses) {
    EXPECT_OK(status);
  }
  EXPECT_EQ(Gathered("sum"), kCalls);
}

class GatherOnTwoSlots : public GatherTest {
 protected:
  static ServiceOptions TwoSlots() {
    ServiceOptions options = Gathering();
    options.search_slots = 2;
    options.ahead_yields = false;
    return options;
  }

  GatherOnTwoSlots() : GatherTest(TwoSlots()) {}
};

TEST_F(GatherOnTwoSlots, ManyCallersAgreeWithTheLibrary) {
  Fill(IndexKind::kHnsw, CodeType::kSq8);
  constexpr size_t kThreads = 8;
  constexpr int kEach = 40;
  std::vector<std::vector<float>> vectors;
  std::vector<std::string> expected;
  const SearchOptions options;
  for (size_t i = 0; i < kThreads; ++i) {
    vectors.push_back(RandomVector());
    ASSERT_OK_AND_ASSIGN(SearchResponse alone, docs_->Search(vectors[i], options));
    v1::SearchResponse response;
    WriteSearchResponse(std::move(alone), &response);
    expected.push_back(Shown(response));
  }
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const auto client = t % 4 == 0 ? ConnectOverHttp(served_.http()->port()) : served_.Connect();
      ASSERT_OK_AND_ASSIGN(const auto remote, client->OpenCollection("docs"));
      for (int i = 0; i < kEach; ++i) {
        ASSERT_OK_AND_ASSIGN(SearchResponse found, remote->Search(vectors[t], options));
        v1::SearchResponse response;
        WriteSearchResponse(std::move(found), &response);
        ASSERT_EQ(Shown(response), expected[t]);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace
}  // namespace leadline::rpc
