// Operations on single records through a real server that is killed among them: for every record
// there is an order in which they can have happened one after the other.
// LEADLINE_HISTORIES (15) is how many histories are made.

#include <algorithm>
#include <array>
#include <csignal>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/client.h"
#include "leadline/core/clock.h"
#include "leadline/core/mutex.h"
#include "leadline/core/rng.h"
#include "leadline/leadline.h"
#include "register_history.h"
#include "served_program.h"
#include "status_matchers.h"
#include "temp_dir.h"
#include "test_environment.h"

namespace leadline::rpc {
namespace {

using Kind = RegisterOperation::Kind;

constexpr int kClients = 8;
constexpr int kRecords = 8;
constexpr int kOperations = 40;  // of each client; about 40 of each record
constexpr size_t kMaxOperations = 64;

RegisterOperation Op(Kind kind, std::optional<int> value, int64_t began, int64_t ended) {
  return {kind, value, began, ended};
}

TEST(RegisterChecker, KnowsGoodHistoriesFromBadOnes) {
  constexpr int64_t kUnknown = RegisterOperation::kUnknown;

  const struct {
    const char* name;
    std::vector<RegisterOperation> operations;
    bool good;
  } cases[] = {
      {"nothing", {}, true},
      {"read what was written", {Op(Kind::kWrite, 1, 0, 1), Op(Kind::kRead, 1, 2, 3)}, true},
      {"lost write", {Op(Kind::kWrite, 1, 0, 1), Op(Kind::kRead, {}, 2, 3)}, false},
      {"from nowhere", {Op(Kind::kRead, 1, 0, 1)}, false},
      {"either of two at a time",
       {Op(Kind::kWrite, 1, 0, 5), Op(Kind::kWrite, 2, 0, 5), Op(Kind::kRead, 1, 6, 7)},
       true},
      {"there and back",
       {Op(Kind::kWrite, 1, 0, 5), Op(Kind::kWrite, 2, 0, 5), Op(Kind::kRead, 1, 6, 7),
        Op(Kind::kRead, 2, 8, 9)},
       false},
      {"stale read",
       {Op(Kind::kWrite, 1, 0, 1), Op(Kind::kWrite, 2, 2, 3), Op(Kind::kRead, 1, 4, 5)},
       false},
      {"back after a deletion",
       {Op(Kind::kWrite, 1, 0, 1), Op(Kind::kDelete, {}, 2, 3), Op(Kind::kRead, 1, 4, 5)},
       false},
      {"unanswered and done late",
       {Op(Kind::kWrite, 1, 0, kUnknown), Op(Kind::kRead, {}, 2, 3), Op(Kind::kRead, 1, 4, 5)},
       true},
      {"unanswered and never done",
       {Op(Kind::kWrite, 1, 0, kUnknown), Op(Kind::kRead, {}, 2, 3)},
       true},
      {"unanswered and done twice",
       {Op(Kind::kWrite, 1, 0, kUnknown), Op(Kind::kRead, 1, 2, 3), Op(Kind::kDelete, {}, 4, 5),
        Op(Kind::kRead, 1, 6, 7)},
       false},
  };

  for (const auto& one : cases) {
    EXPECT_EQ(RegisterChecker(one.operations).Linearizable(), one.good) << one.name;
  }
}

/// What the clients of one history did, by record. Thread-safe.
class History {
 public:
  void Add(int record, const RegisterOperation& operation) {
    MutexLock lock(&mutex_);
    if (operations_[static_cast<size_t>(record)].size() < kMaxOperations) {
      operations_[static_cast<size_t>(record)].push_back(operation);
    }
  }

  /// A record takes no more than the checker can look at.
  bool Full(int record) {
    MutexLock lock(&mutex_);
    return operations_[static_cast<size_t>(record)].size() + kClients >= kMaxOperations;
  }

  void ExpectLinearizable() {
    MutexLock lock(&mutex_);
    for (std::vector<RegisterOperation>& operations : operations_) {
      std::sort(operations.begin(), operations.end(),
                [](const auto& a, const auto& b) { return a.began < b.began; });
      RegisterChecker checker(operations);
      EXPECT_TRUE(checker.Linearizable()) << checker.Shown();
    }
  }

  size_t unanswered() {
    MutexLock lock(&mutex_);
    size_t count = 0;
    for (const auto& operations : operations_) {
      count += static_cast<size_t>(std::count_if(
          operations.begin(), operations.end(), [](const RegisterOperation& operation) {
            return operation.ended == RegisterOperation::kUnknown;
          }));
    }
    return count;
  }

 private:
  Mutex mutex_;
  std::array<std::vector<RegisterOperation>, kRecords> operations_ LEADLINE_GUARDED_BY(mutex_);
};

int64_t Now() {
  return Clock::System()->MonotonicNanos();
}

/// Does `operation` and completes it; leaves its end unknown where no answer came.
void Do(Collection* collection, const std::string& id, RegisterOperation* operation) {
  operation->began = Now();
  Status status;
  switch (operation->kind) {
    case Kind::kWrite: {
      Record record;
      record.id = id;
      record.vector = {static_cast<float>(*operation->value), 1};
      status = collection->Upsert({record}).status();
      break;
    }
    case Kind::kDelete:
      status = collection->Delete({id}).status();
      break;
    case Kind::kRead: {
      const auto records = collection->Get({id});
      status = records.status();
      if (records.ok() && (*records)[0]) {
        operation->value = static_cast<int>((*records)[0]->vector[0]);
      }
    }
  }
  if (status.ok()) {
    operation->ended = Now();
  } else {
    EXPECT_THAT(status, testing::StatusIs(StatusCode::kUnavailable));
  }
}

/// One client of one history; values it writes are its own.
void RunClient(const ServedProgram& served, int client, uint64_t seed, int first,
               History* history) {
  Rng rng(seed * kClients + static_cast<uint64_t>(client));
  ClientOptions options;
  options.max_retries = 0;  // what a call that is sent once hears
  const auto database = Client::Connect("127.0.0.1:" + std::to_string(served.port()), options);
  if (!database.ok()) {
    return;  // killed before this client came
  }
  const auto collection = (*database)->OpenCollection("c");
  for (int i = 0; collection.ok() && i < kOperations / 2; ++i) {
    const int record = static_cast<int>(rng.Uniform(kRecords));
    if (history->Full(record)) {
      continue;
    }
    RegisterOperation operation;
    const uint64_t kind = rng.Uniform(5);
    if (kind < 2) {
      operation.kind = Kind::kWrite;
      operation.value = first + client * kOperations + i;
    } else if (kind == 2) {
      operation.kind = Kind::kDelete;
    }
    Do(collection->get(), "r" + std::to_string(record), &operation);
    history->Add(record, operation);
    if (operation.ended == RegisterOperation::kUnknown) {
      return;  // the server is gone
    }
  }
}

/// Two lives of a server, the first one cut short: what the second one shows must follow.
void RunHistory(const std::string& path, uint64_t seed, History* history) {
  Rng rng(seed);
  for (int life = 0; life < 2; ++life) {
    ServedProgram served(path);
    std::vector<std::thread> clients;
    for (int client = 0; client < kClients; ++client) {
      clients.emplace_back([&, client] {
        RunClient(served, client, seed * 2 + static_cast<uint64_t>(life),
                  1 + life * kClients * kOperations, history);
      });
    }
    if (life == 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(2'000 + rng.Uniform(60'000)));
      served.program().Signal(SIGKILL);
    }
    for (std::thread& client : clients) {
      client.join();
    }
    served.program().Signal(SIGKILL);
    served.program().Wait();
  }
}

TEST(Linearizability, OfSingleRecordsThroughAServerThatIsKilled) {
  const uint64_t histories = testing::FromEnvironment("LEADLINE_HISTORIES", 15);
  const uint64_t seed = testing::TestSeed(81);
  testing::TempDir dir;
  size_t unanswered = 0;
  for (uint64_t i = 0; i < histories && !::testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " history " + std::to_string(i));
    // Records of an earlier history would have no write in this one.
    const std::string path = dir.file("db" + std::to_string(i));
    {
      DatabaseOptions options;
      options.create_if_missing = true;
      ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path, options));
      CollectionOptions collection;
      collection.vectors = {{.dim = 2, .metric = Metric::kL2}};
      ASSERT_OK(database->CreateCollection("c", collection).status());
      ASSERT_OK(database->Close());
    }
    History history;
    RunHistory(path, seed + i, &history);
    history.ExpectLinearizable();
    unanswered += history.unanswered();
  }
  // Kills that hit nothing would prove nothing.
  EXPECT_GT(unanswered, histories / 2);
}

}  // namespace
}  // namespace leadline::rpc
