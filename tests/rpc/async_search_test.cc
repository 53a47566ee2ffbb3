// Searches that nobody waits for: each is answered once, on a thread of the client, whatever
// becomes of the server, the connection and the handles; and a server whose threads all search
// reads on.

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "cut_relay.h"
#include "leadline/core/mutex.h"
#include "leadline/core/rng.h"
#include "leadline/leadline.h"
#include "served_database.h"
#include "test_environment.h"

namespace leadline::rpc {
namespace {

using testing::StatusIs;

constexpr size_t kDim = 8;
constexpr int kRows = 2'000;

std::vector<float> RandomVector(Rng* rng) {
  std::vector<float> vector(kDim);
  for (float& value : vector) {
    value = static_cast<float>(rng->UniformDouble());
  }
  return vector;
}

/// Answers by the number of their search, and a wait for all of them.
class Answers {
 public:
  explicit Answers(size_t count)
      : found_(count, Result<SearchResponse>(UnavailableError("not answered"))), times_(count) {}

  SearchAnswered For(size_t number) {
    return [this, number](Result<SearchResponse> found) {
      MutexLock lock(&mutex_);
      found_[number] = std::move(found);
      ++times_[number];
      ++answered_;
      changed_.NotifyAll();
    };
  }

  /// All of them, each of which came once.
  const std::vector<Result<SearchResponse>>& Wait() {
    MutexLock lock(&mutex_);
    while (answered_ < found_.size()) {
      changed_.Wait(&mutex_);
    }
    for (const int times : times_) {
      EXPECT_EQ(times, 1);
    }
    return found_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<Result<SearchResponse>> found_;
  std::vector<int> times_;
  size_t answered_ = 0;
};

std::unique_ptr<Database> ConnectThrough(const CutRelay& relay, uint32_t max_retries) {
  ClientOptions options;
  options.max_retries = max_retries;
  Result<std::unique_ptr<Database>> client = Client::Connect(relay.address(), options);
  EXPECT_OK(client);
  return *std::move(client);
}

class AsyncSearch : public ::testing::Test {
 protected:
  AsyncSearch() {
    CollectionOptions options;
    options.vectors = {{.dim = kDim, .metric = Metric::kL2}};
    auto collection = *served_.database()->CreateCollection("c", options);
    std::vector<Record> records(kRows);
    for (int i = 0; i < kRows; ++i) {
      records[static_cast<size_t>(i)].id = "r" + std::to_string(i);
      records[static_cast<size_t>(i)].vector = RandomVector(&rng_);
    }
    EXPECT_OK(collection->Upsert(std::move(records)));
  }

  static GrpcServerOptions OneThread() {
    GrpcServerOptions options;
    options.polling_threads = 1;
    return options;
  }

  static ServiceOptions OneSlot() {
    ServiceOptions options;
    options.search_slots = 1;
    options.ahead_yields = false;
    return options;
  }

  Rng rng_{testing::TestSeed(71)};
  ServedDatabase served_{OneSlot(), OneThread()};
};

TEST_F(AsyncSearch, ManyUnderWayAreAnsweredOnceEach) {
  constexpr size_t kSearches = 400;
  const auto client = served_.Connect();
  ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
  std::vector<std::vector<float>> queries;
  for (size_t i = 0; i < kSearches; ++i) {
    queries.push_back(RandomVector(&rng_));
  }
  Answers answers(kSearches);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < kSearches; i += 4) {
        collection->SearchAsync(queries[i], {}, answers.For(i));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  const auto& found = answers.Wait();
  for (size_t i = 0; i < kSearches; ++i) {
    ASSERT_OK_AND_ASSIGN(const SearchResponse expected, collection->Search(queries[i]));
    ASSERT_OK(found[i]);
    ASSERT_EQ(found[i]->hits.size(), expected.hits.size());
    for (size_t h = 0; h < expected.hits.size(); ++h) {
      EXPECT_EQ(found[i]->hits[h].id, expected.hits[h].id) << "search " << i;
    }
  }
}

TEST_F(AsyncSearch, AnAnswerMayBeginTheNext) {
  const auto client = served_.Connect();
  ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
  const std::vector<float> query = RandomVector(&rng_);
  std::promise<std::thread::id> last;
  int left = 100;
  std::function<void(Result<SearchResponse>)> next = [&](const Result<SearchResponse>& found) {
    EXPECT_OK(found);
    if (--left == 0) {
      last.set_value(std::this_thread::get_id());
    } else {
      collection->SearchAsync(query, {}, next);
    }
  };
  collection->SearchAsync(query, {}, next);
  EXPECT_NE(last.get_future().get(), std::this_thread::get_id());
}

TEST_F(AsyncSearch, HandlesMayGoBeforeTheirAnswers) {
  Answers answers(50);
  auto client = served_.Connect();
  auto collection = *client->OpenCollection("c");
  for (size_t i = 0; i < 50; ++i) {
    collection->SearchAsync(RandomVector(&rng_), {}, answers.For(i));
  }
  collection.reset();
  client.reset();
  for (const Result<SearchResponse>& found : answers.Wait()) {
    EXPECT_OK(found);
  }
}

TEST_F(AsyncSearch, TheLastHandleMayGoInAnAnswer) {
  std::promise<Status> told;
  std::shared_ptr<Database> client = served_.Connect();
  std::shared_ptr<Collection> collection = *client->OpenCollection("c");
  Collection* const searched = collection.get();
  searched->SearchAsync(
      RandomVector(&rng_), {},
      [&told, client = std::move(client), collection = std::move(collection)](
          const Result<SearchResponse>& found) { told.set_value(found.status()); });
  EXPECT_OK(told.get_future().get());
}

TEST_F(AsyncSearch, ErrorsOfTheCallAreToldBeforeItReturns) {
  const auto client = served_.Connect();
  ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
  CancelToken cancelled;
  cancelled.Cancel();
  SearchOptions options;
  options.cancel = &cancelled;
  Status told;
  const auto note = [&told](const Result<SearchResponse>& found) { told = found.status(); };
  collection->SearchAsync(RandomVector(&rng_), options, note);
  EXPECT_THAT(told, StatusIs(StatusCode::kCancelled));
  options = {};
  options.timeout_ms = -1;
  collection->SearchAsync(RandomVector(&rng_), options, note);
  EXPECT_THAT(told, StatusIs(StatusCode::kInvalidArgument, "field=timeout_ms"));
  ASSERT_OK(client->Close());
  collection->SearchAsync(RandomVector(&rng_), {}, note);
  EXPECT_THAT(told, StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(AsyncSearch, TokensAndTimesEndWhatIsNotAnswered) {
  CutRelay relay(served_.server()->port());
  const auto client = ConnectThrough(relay, 0);
  ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
  relay.LoseAllAnswers();
  CancelToken token;
  SearchOptions cancelled;
  cancelled.cancel = &token;
  SearchOptions late;
  late.timeout_ms = 20;
  Answers answers(2);
  collection->SearchAsync(RandomVector(&rng_), late, answers.For(0));
  collection->SearchAsync(RandomVector(&rng_), cancelled, answers.For(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  token.Cancel();
  const auto& found = answers.Wait();
  EXPECT_THAT(found[0], StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_THAT(found[1], StatusIs(StatusCode::kCancelled));
}

TEST_F(AsyncSearch, WhatACutLostIsSentAgainOrTold) {
  for (const uint32_t retries : {0U, 5U}) {
    CutRelay relay(served_.server()->port());
    const auto client = ConnectThrough(relay, retries);
    ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
    relay.LoseAnswers();
    Answers answers(20);
    for (size_t i = 0; i < 20; ++i) {
      collection->SearchAsync(RandomVector(&rng_), {}, answers.For(i));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    relay.Cut();
    for (const Result<SearchResponse>& found : answers.Wait()) {
      EXPECT_EQ(found.status().code(), retries == 0 ? StatusCode::kUnavailable : StatusCode::kOk)
          << found.status().ToString();
    }
  }
}

TEST_F(AsyncSearch, CloseEndsThePausesBeforeAttempts) {
  CutRelay relay(served_.server()->port());
  const auto client = ConnectThrough(relay, 20);
  ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
  served_.server()->Shutdown(0);
  Answers answers(1);
  collection->SearchAsync(RandomVector(&rng_), {}, answers.For(0));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ASSERT_OK(client->Close());
  EXPECT_THAT(answers.Wait()[0], StatusIs(StatusCode::kUnavailable));
}

TEST_F(AsyncSearch, AServerWhoseOneThreadSearchesReadsOn) {
  const auto client = served_.Connect();
  ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
  const auto others = served_.Connect();
  // Searched in 128 steps each, by the only thread that reads.
  std::vector<float> matrix(4096 * kDim, 0.5F);
  SearchOptions exact;
  exact.exact = true;
  std::atomic<bool> searched{false};
  std::thread batches([&] {
    for (int i = 0; i < 4; ++i) {
      EXPECT_OK(collection->SearchBatch({matrix.data(), 4096, kDim}, exact));
    }
    searched.store(true);
  });
  const auto under_way = [&] {
    return served_.service()->MetricsText().find("leadline_calls_in_flight 1") != std::string::npos;
  };
  int meanwhile = 0;
  while (!searched.load()) {
    const bool before = under_way();
    EXPECT_OK(others->ListCollections());
    meanwhile += before && under_way() ? 1 : 0;
  }
  batches.join();
  EXPECT_GE(meanwhile, 20) << "calls were read only between batches";
}

}  // namespace
}  // namespace leadline::rpc
