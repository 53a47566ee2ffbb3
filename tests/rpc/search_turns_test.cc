// A batch of many queries leaves its slot between steps: other callers have their turns, and the
// answer is the same as without them. All on one thread, in an order that is fixed; and who is
// ahead of the others goes to other threads.

#include <ctime>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/leadline.h"
#include "leadline/v1/search.pb.h"
#include "served_database.h"
#include "service_call.h"
#include "test_clock.h"

namespace leadline::rpc {
namespace {

using testing::StatusIs;

constexpr size_t kDim = 4;
constexpr int kRows = 500;
constexpr int kQueries = 300;
constexpr char kBatch[] = "/leadline.v1.Search/SearchBatch";
constexpr char kSearch[] = "/leadline.v1.Search/Search";

std::vector<float> VectorOf(int number) {
  return {static_cast<float>(number), 1, 0, 0};
}

Record RecordOf(const std::string& id, int number) {
  Record record;
  record.id = id;
  record.vector = VectorOf(number);
  return record;
}

v1::SearchBatchRequest BatchOf(int queries) {
  v1::SearchBatchRequest request;
  request.set_collection("docs");
  request.mutable_options()->set_limit(3);
  for (int i = 0; i < queries; ++i) {
    v1::Vector* const vector = request.add_vectors();
    for (const float value : VectorOf(i)) {
      vector->add_values(value);
    }
  }
  return request;
}

v1::SearchRequest OneQuery() {
  v1::SearchRequest request;
  request.set_collection("docs");
  for (const float value : VectorOf(7)) {
    request.add_vector(value);
  }
  return request;
}

using BatchCall = ServiceCall<v1::SearchBatchRequest, v1::SearchBatchResponse>;
using SearchCall = ServiceCall<v1::SearchRequest, v1::SearchResponse>;

class SearchTurns : public ::testing::Test {
 protected:
  static ServiceOptions OneSlot() {
    ServiceOptions options;
    options.search_slots = 1;
    options.ahead_yields = false;
    return options;
  }

  SearchTurns() : served_(OneSlot()) {
    CollectionOptions options;
    options.vectors = {{.dim = kDim, .metric = Metric::kL2, .index = IndexKind::kHnsw}};
    docs_ = *served_.database()->CreateCollection("docs", options);
    std::vector<Record> records;
    for (int i = 0; i < kRows; ++i) {
      records.push_back(RecordOf(std::to_string(i), i));
    }
    EXPECT_OK(docs_->Upsert(std::move(records)));
    EXPECT_OK(docs_->Optimize());
  }

  std::unique_ptr<BatchCall> NewBatch(const std::string& who, int queries = kQueries) {
    return std::make_unique<BatchCall>(served_.service(), kBatch, who, BatchOf(queries));
  }

  std::unique_ptr<SearchCall> NewSearch(const std::string& who) {
    return std::make_unique<SearchCall>(served_.service(), kSearch, who, OneQuery());
  }

  /// Holds the only slot while `submit` brings calls, and returns when all of them have ended.
  void WhileTheSlotIsTaken(const std::function<void()>& submit) {
    CallRecord record;
    EXPECT_OK(served_.service()->Submit(*FindMethod(kSearch), &record, submit));
  }

  ServedDatabase served_;
  std::shared_ptr<Collection> docs_;
};

TEST_F(SearchTurns, OneCallersBatchesDoNotKeepOthersWaiting) {
  const auto first = NewBatch("greedy");
  const auto second = NewBatch("greedy");
  std::vector<std::unique_ptr<SearchCall>> searches;
  for (int i = 0; i < 6; ++i) {
    searches.push_back(NewSearch(i % 2 == 0 ? "a" : "b"));
  }
  std::string order;
  WhileTheSlotIsTaken([&] {
    first->Submit([&order] { order += '1'; });
    second->Submit([&order] { order += '2'; });
    for (const auto& search : searches) {
      search->Submit([&order] { order += 's'; });
    }
  });
  EXPECT_EQ(order, "ssssss12") << "what has begun ends before the caller's next";
  for (const auto& search : searches) {
    EXPECT_OK(search->status);
  }
  EXPECT_OK(first->status);
  EXPECT_GT(first->record().queue_nanos, 0);
  EXPECT_GT(first->record().work_nanos, 0);
}

TEST_F(SearchTurns, ABatchOfOneStepCountsAsManyTurnsAsItHasQueries) {
  const auto first = NewBatch("greedy", 10);
  const auto second = NewBatch("greedy", 10);
  std::vector<std::unique_ptr<SearchCall>> searches;
  std::string order;
  WhileTheSlotIsTaken([&] {
    first->Submit([&order] { order += '1'; });
    second->Submit([&order] { order += '2'; });
    for (int i = 0; i < 12; ++i) {
      searches.push_back(NewSearch("a"));
      searches.back()->Submit([&order] { order += 's'; });
    }
  });
  EXPECT_EQ(order, "1ssssssssss2ss");
}

TEST_F(SearchTurns, AllStepsSeeOneState) {
  const auto batch = NewBatch("greedy");
  const auto search = NewSearch("a");
  WhileTheSlotIsTaken([&] {
    batch->Submit([] {});
    search->Submit([this] {  // between the first step and the second
      std::vector<Record> nearer;
      for (int i = 0; i < kQueries; ++i) {
        nearer.push_back(RecordOf("new-" + std::to_string(i), i));
      }
      EXPECT_OK(docs_->Upsert(std::move(nearer)));
      EXPECT_OK(docs_->Delete({std::to_string(kQueries - 1)}));
    });
  });
  ASSERT_OK(batch->status);
  ASSERT_EQ(batch->response.responses_size(), kQueries);
  for (int i = 0; i < kQueries; ++i) {
    ASSERT_EQ(batch->response.responses(i).hits_size(), 3) << i;
    EXPECT_EQ(batch->response.responses(i).hits(0).id(), std::to_string(i));
    EXPECT_NE(batch->response.responses(i).hits(1).id().substr(0, 4), "new-") << i;
  }
}

TEST_F(SearchTurns, ABatchEndsBetweenStepsWhenItsCallerLeavesOrItsTimeIsUp) {
  const auto left = NewBatch("greedy");
  const auto late = NewBatch("slow");
  late->deadline_nanos = Clock::System()->MonotonicNanos() + 20'000'000;
  const auto search = NewSearch("a");
  WhileTheSlotIsTaken([&] {
    left->Submit([] {});
    late->Submit([] {});
    search->Submit([&] {
      left->cancel.Cancel();
      while (Clock::System()->MonotonicNanos() < late->deadline_nanos) {
      }
    });
  });
  EXPECT_THAT(left->status, StatusIs(StatusCode::kCancelled));
  EXPECT_THAT(late->status, StatusIs(StatusCode::kDeadlineExceeded));
  EXPECT_LT(left->response.responses_size(), kQueries);
  EXPECT_LT(late->response.responses_size(), kQueries);
}

/// Runs `work` as a search of `who`, and returns on which thread.
std::thread::id RunAs(Service* service, const std::string& who, const std::function<void()>& work) {
  CallRecord record;
  record.token_id = who;
  std::promise<std::thread::id> ran;
  EXPECT_OK(service->Submit(*FindMethod(kSearch), &record, [&] {
    work();
    ran.set_value(std::this_thread::get_id());
  }));
  return ran.get_future().get();
}

TEST(SearchPriority, WhoTookMuchMoreThanOthersLeavesThemTheThreads) {
  testing::TestClock clock;  // stands: all of it is of late
  ServiceOptions options;
  options.clock = &clock;
  const ServedDatabase served(options);
  const auto compute = [](int64_t ms) {
    const auto spent_ms = [] {
      timespec now = {};
      ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
      return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
    };
    for (const int64_t begin = spent_ms(); spent_ms() - begin < ms;) {
    }
  };
  const std::thread::id here = std::this_thread::get_id();
  EXPECT_EQ(RunAs(served.service(), "greedy", [&] { compute(60); }), here) << "alone";
  EXPECT_EQ(RunAs(served.service(), "a", [&] { compute(1); }), here);
  EXPECT_NE(RunAs(served.service(), "greedy", [] {}), here);
  EXPECT_EQ(RunAs(served.service(), "a", [] {}), here);
}

TEST_F(SearchTurns, ABadQueryIsNamedBeforeTheFirstStep) {
  v1::SearchBatchRequest request = BatchOf(kQueries);
  request.mutable_vectors(170)->clear_values();
  request.mutable_vectors(170)->set_f32(std::string(kDim * sizeof(float), '\x7F'));  // too large
  BatchCall batch(served_.service(), kBatch, "a", std::move(request));
  batch.Submit([] {});
  EXPECT_THAT(batch.status, StatusIs(StatusCode::kInvalidArgument, "170"));
  EXPECT_EQ(batch.response.responses_size(), 0);
}

}  // namespace
}  // namespace leadline::rpc
