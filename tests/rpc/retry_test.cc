// Answers that are lost: behind a network that cuts connections, and a program that is killed and
// started again. A client sends again what may be sent again, and every write is done once.

#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "../cli/program_runner.h"
#include "channel.h"
#include "cut_relay.h"
#include "leadline/core/mutex.h"
#include "leadline/core/rng.h"
#include "leadline/leadline.h"
#include "leadline/v1/records.pb.h"
#include "served_database.h"
#include "test_environment.h"

namespace leadline::rpc {
namespace {

using testing::Json;
using testing::RunningProgram;
using testing::StatusIs;

constexpr int64_t kDeadlineMs = 60'000;

std::unique_ptr<Database> ConnectTo(const std::string& address, uint32_t max_retries) {
  ClientOptions options;
  options.max_retries = max_retries;
  Result<std::unique_ptr<Database>> client = Client::Connect(address, options);
  EXPECT_OK(client);
  return *std::move(client);
}

Record RecordOf(const std::string& id) {
  Record record;
  record.id = id;
  record.vector = {1, 2};
  return record;
}

bool Eventually(const std::function<bool()>& holds) {
  for (int64_t waited = 0; waited < kDeadlineMs && !holds(); ++waited) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return holds();
}

class Retry : public ::testing::Test {
 protected:
  Retry() {
    CollectionOptions options;
    options.vectors = {{.dim = 2, .metric = Metric::kL2}};
    EXPECT_OK(served_.database()->CreateCollection("c", options));
  }

  [[nodiscard]] uint64_t Sequence() const { return served_.database()->Stats()->sequence; }

  [[nodiscard]] uint64_t Rows() const {
    return (*served_.database()->OpenCollection("c"))->Count(std::nullopt).value();
  }

  /// Makes `call` while its answer is lost: the connection ends once the server has done it.
  template <typename Call>
  auto LosingTheAnswer(const Call& call) -> decltype(call()) {
    const uint64_t before = Sequence();
    relay_.LoseAnswers();
    std::thread cutter([&] {
      EXPECT_TRUE(Eventually([&] { return Sequence() > before; })) << "the request got lost";
      relay_.Cut();
    });
    auto result = call();
    cutter.join();
    return result;
  }

  ServedDatabase served_;
  CutRelay relay_{served_.server()->port()};
};

TEST_F(Retry, AWriteWhoseAnswerIsLostIsDoneOnce) {
  const auto client = ConnectTo(relay_.address(), 5);
  ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
  const auto expect_once = [&](const std::function<Result<WriteResult>()>& call, uint64_t upserted,
                               uint64_t deleted) {
    const uint64_t before = Sequence();
    const uint64_t connections = relay_.connections();
    ASSERT_OK_AND_ASSIGN(const WriteResult result, LosingTheAnswer(call));
    EXPECT_GT(relay_.connections(), connections) << "nothing was sent again";
    EXPECT_EQ(result.sequence, before + 1);
    EXPECT_EQ(result.upserted, upserted);
    EXPECT_EQ(result.deleted, deleted);
    EXPECT_EQ(Sequence(), before + 1);
  };
  expect_once([&] { return collection->Upsert({RecordOf("a"), RecordOf("b")}); }, 2, 0);
  WriteBatch batch;
  batch.Upsert(RecordOf("c"));
  batch.Delete("a");
  expect_once([&] { return collection->Write(batch); }, 1, 1);
  batch.SetIdempotencyKey("mine");
  expect_once([&] { return collection->Write(batch); }, 1, 0);
  expect_once([&] { return collection->Delete({"b"}); }, 0, 1);
  EXPECT_EQ(Rows(), 1U);
}

TEST_F(Retry, ACallerWhoHeardNothingFindsOutWithItsOwnKey) {
  const auto client = ConnectTo(relay_.address(), 0);
  ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
  WriteBatch batch;
  batch.SetIdempotencyKey("mine");
  batch.Upsert(RecordOf("a"));
  EXPECT_THAT(LosingTheAnswer([&] { return collection->Write(batch); }),
              StatusIs(StatusCode::kUnavailable));
  Result<WriteResult> again = UnavailableError("not called yet");
  ASSERT_TRUE(Eventually([&] {
    again = collection->Write(batch);
    return again.ok();
  }));
  EXPECT_EQ(again->sequence, 1U);
  EXPECT_EQ(Sequence(), 1U);
}

TEST_F(Retry, WithoutRetriesNothingIsSentAgainAndNoKeyIsStored) {
  const auto client = ConnectTo(relay_.address(), 0);
  ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
  EXPECT_THAT(LosingTheAnswer([&] { return collection->Upsert({RecordOf("a")}); }),
              StatusIs(StatusCode::kUnavailable));
  EXPECT_EQ(Sequence(), 1U);
}

TEST_F(Retry, DeletionsByFilterAreSentOnce) {
  const auto client = ConnectTo(relay_.address(), 20);
  ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
  ASSERT_OK(collection->Upsert({RecordOf("a")}));
  const Filter everything = Filter::Parse("NOT EXISTS n").value();
  EXPECT_THAT(LosingTheAnswer([&] { return collection->DeleteWhere(everything, {}); }),
              StatusIs(StatusCode::kUnavailable));
  EXPECT_EQ(Rows(), 0U);
}

TEST_F(Retry, ReadsAreSentAgain) {
  const auto client = ConnectTo(relay_.address(), 5);
  ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
  ASSERT_OK(collection->Upsert({RecordOf("a")}));
  const std::vector<float> query = {1, 2};
  const std::vector<std::function<Status()>> reads = {
      [&] { return collection->Get({"a"}).status(); },
      [&] { return collection->Count(std::nullopt).status(); },
      [&] { return collection->Scroll({}).status(); },
      [&] { return collection->Search(query).status(); },
      [&] { return collection->SearchId("a").status(); },
      [&] {
        return collection->SearchBatch({query.data(), 1, 2}).status();
      },
      [&] { return collection->Stats().status(); },
      [&] { return client->Stats().status(); },
      [&] { return client->OpenCollection("c").status(); },
      [&] { return client->ListCollections().status(); }};
  for (size_t i = 0; i < reads.size(); ++i) {
    relay_.LoseAnswers();
    std::thread cutter([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      relay_.Cut();
    });
    EXPECT_OK(reads[i]()) << "read " << i;
    cutter.join();
  }
}

TEST_F(Retry, TheTimeOfTheCallHoldsForAllAttempts) {
  const auto client = ConnectTo(relay_.address(), 20);
  ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
  std::atomic<bool> done{false};
  relay_.LoseAllAnswers();
  std::thread cutter([&] {
    while (!done.load()) {
      relay_.Cut();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  ReadOptions options;
  options.timeout_ms = 300;
  const Status status = collection->Count(std::nullopt, options).status();
  EXPECT_TRUE(status.code() == StatusCode::kUnavailable ||
              status.code() == StatusCode::kDeadlineExceeded)
      << status.ToString();
  CancelToken token;
  options.timeout_ms = 0;
  options.cancel = &token;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    token.Cancel();
  });
  EXPECT_FALSE(collection->Count(std::nullopt, options).ok());
  canceller.join();
  std::thread closer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_OK(client->Close());
  });
  EXPECT_FALSE(collection->Upsert({RecordOf("a")}).ok());
  closer.join();
  done.store(true);
  cutter.join();
}

TEST_F(Retry, ErrorsOfKeysArriveAsTheyAre) {
  const auto client = ConnectTo(relay_.address(), 2);
  ASSERT_OK_AND_ASSIGN(const auto collection, client->OpenCollection("c"));
  WriteBatch batch;
  batch.SetIdempotencyKey("k");
  batch.Upsert(RecordOf("a"));
  ASSERT_OK(collection->Write(batch));
  batch.Upsert(RecordOf("b"));
  for (const std::string& bad : {std::string("k"), std::string(129, 'k'), std::string("a\tb")}) {
    batch.SetIdempotencyKey(bad);
    const Result<WriteResult> refused = collection->Write(batch);
    EXPECT_THAT(refused,
                StatusIs(bad == "k" ? StatusCode::kAlreadyExists : StatusCode::kInvalidArgument));
    EXPECT_EQ(refused.status().field(), "idempotency_key");
  }
  ClientOptions options;
  options.max_retries = 21;
  EXPECT_THAT(Client::Connect(relay_.address(), options),
              StatusIs(StatusCode::kInvalidArgument, "max_retries"));
}

/// Sends `request` twice over `channel`: done once, whatever the method.
template <typename Request>
void ExpectOnce(Channel* channel, const std::string& path, Request request, uint64_t sequence) {
  SCOPED_TRACE(path);
  request.set_collection("c");
  request.set_idempotency_key("key of " + path);
  for (int i = 0; i < 2; ++i) {
    v1::WriteResponse response;
    ASSERT_OK(channel->Call(path, request, &response, {}));
    EXPECT_EQ(response.sequence(), sequence);
    EXPECT_EQ(response.count(), 1U);
  }
}

TEST_F(Retry, EveryMethodThatWritesABatchTakesAKey) {
  Channel channel(relay_.address(), "", kDeadlineMs);
  v1::UpsertRequest upsert;
  upsert.add_records()->set_id("a");
  upsert.mutable_records(0)->add_vector(1);
  upsert.mutable_records(0)->add_vector(2);
  ExpectOnce(&channel, "/leadline.v1.Records/Upsert", upsert, 1);
  v1::PatchRequest patch;
  patch.add_patches()->set_id("a");
  patch.mutable_patches(0)->set_patch("{}");
  ExpectOnce(&channel, "/leadline.v1.Records/Patch", patch, 2);
  v1::WriteRequest write;
  write.add_changes()->set_delete_id("a");
  ExpectOnce(&channel, "/leadline.v1.Records/Write", write, 3);
  upsert.set_collection("c");
  v1::WriteResponse response;
  ASSERT_OK(channel.Call("/leadline.v1.Records/Upsert", upsert, &response, {}));
  v1::DeleteRequest deletion;
  deletion.add_ids("a");
  ExpectOnce(&channel, "/leadline.v1.Records/Delete", deletion, 5);
  deletion.clear_ids();
  deletion.set_collection("c");
  deletion.set_filter("n = 1");
  deletion.set_idempotency_key("k");
  const Status refused = channel.Call("/leadline.v1.Records/Delete", deletion, &response, {});
  EXPECT_THAT(refused, StatusIs(StatusCode::kInvalidArgument));
  EXPECT_EQ(refused.field(), "idempotency_key");
}

/// Results of writes of several threads: each has a sequence number of its own. Thread-safe.
class Results {
 public:
  void Add(const Result<WriteResult>& result) {
    MutexLock lock(&mutex_);
    ASSERT_OK(result);
    EXPECT_EQ(result->upserted, 1U);
    EXPECT_TRUE(sequences_.insert(result->sequence).second)
        << "done twice, or answered for another";
  }

  size_t size() {
    MutexLock lock(&mutex_);
    return sequences_.size();
  }

 private:
  Mutex mutex_;
  std::set<uint64_t> sequences_ LEADLINE_GUARDED_BY(mutex_);
};

constexpr size_t kWriters = 4;

/// Starts threads that each upsert `count` records of their own.
std::vector<std::thread> StartWriters(const std::string& address, size_t count, Results* results) {
  std::vector<std::thread> writers;
  for (size_t w = 0; w < kWriters; ++w) {
    writers.emplace_back([=] {
      const auto client = ConnectTo(address, 20);
      const auto collection = client->OpenCollection("c");
      EXPECT_OK(collection);
      for (size_t i = 0; collection.ok() && i < count; ++i) {
        results->Add(
            (*collection)->Upsert({RecordOf(std::to_string(w) + "/" + std::to_string(i))}));
      }
    });
  }
  return writers;
}

TEST_F(Retry, EveryWriteIsDoneOnceOverANetworkThatKeepsCutting) {
  constexpr size_t kWrites = 60;
  Rng rng(testing::TestSeed(1));
  Results results;
  std::vector<std::thread> writers = StartWriters(relay_.address(), kWrites, &results);
  size_t cuts = 0;
  while (results.size() < kWriters * kWrites && !HasFailure()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(rng.Uniform(60)));
    if (rng.Uniform(2) == 0) {
      relay_.LoseAnswers();
      std::this_thread::sleep_for(std::chrono::milliseconds(rng.Uniform(10)));
    }
    relay_.Cut();
    ++cuts;
  }
  for (std::thread& writer : writers) {
    writer.join();
  }
  EXPECT_EQ(Sequence(), kWriters * kWrites) << cuts << " cuts";
  EXPECT_EQ(Rows(), kWriters * kWrites);
  EXPECT_TRUE(served_.database()->Check()->ok());
}

/// `leadline serve` on `port`, 0 for one that it chooses.
class KilledProgram {
 public:
  KilledProgram(const std::string& path, int port)
      : program_({"serve", path, "--grpc", "127.0.0.1:" + std::to_string(port), "--http", "",
                  "--json"}) {
    std::string line;
    EXPECT_TRUE(program_.ReadLine(&line));
    port_ = Json::parse(line, nullptr, false).value("grpc_port", 0);
    EXPECT_GT(port_, 0);
  }

  void Kill() {
    program_.Signal(SIGKILL);
    EXPECT_EQ(program_.Wait().exit_code, 128 + SIGKILL);
  }

  [[nodiscard]] int port() const { return port_; }

 private:
  RunningProgram program_;
  int port_ = 0;
};

TEST(RetryOfAProgram, EveryWriteIsDoneOnceByAServerThatIsKilledAndStartedAgain) {
  constexpr size_t kWrites = 120;
  constexpr size_t kKills = 4;
  const testing::TempDir dir;
  const std::string path = dir.file("db");
  DatabaseOptions opening;
  opening.create_if_missing = true;
  ASSERT_OK_AND_ASSIGN(auto database, Database::Open(path, opening));
  CollectionOptions options;
  options.vectors = {{.dim = 2, .metric = Metric::kL2}};
  ASSERT_OK(database->CreateCollection("c", options));
  ASSERT_OK(database->Close());
  Results results;
  auto program = std::make_unique<KilledProgram>(path, 0);
  const int port = program->port();
  std::vector<std::thread> writers =
      StartWriters("127.0.0.1:" + std::to_string(port), kWrites, &results);
  for (size_t kill = 1; kill <= kKills; ++kill) {
    EXPECT_TRUE(
        Eventually([&] { return results.size() >= kill * kWriters * kWrites / (kKills + 1); }));
    program->Kill();
    program = std::make_unique<KilledProgram>(path, port);
  }
  for (std::thread& writer : writers) {
    writer.join();
  }
  program->Kill();
  ASSERT_OK_AND_ASSIGN(database, Database::Open(path));
  ASSERT_OK_AND_ASSIGN(const auto collection, database->OpenCollection("c"));
  EXPECT_EQ(database->Stats()->sequence, kWriters * kWrites);
  EXPECT_EQ(collection->Count(std::nullopt).value(), kWriters * kWrites);
  EXPECT_TRUE(database->Check()->ok());
}

}  // namespace
}  // namespace leadline::rpc
