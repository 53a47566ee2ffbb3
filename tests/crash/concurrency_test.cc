// Everything at once: writers that move amounts between records (the sum never changes), searchers,
// sealing, merging, snapshots, and readers in another process. No reader may ever see half a batch.

#include <atomic>
#include <memory>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "child_process.h"
#include "leadline/core/rng.h"
#include "leadline/leadline.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

constexpr int kRecords = 200;
constexpr int64_t kAmount = 1000;
constexpr size_t kDim = 4;

std::string Payload(int64_t amount) {
  return "{\"amount\":" + std::to_string(amount) + "}";
}

int64_t AmountOf(const std::string& payload) {
  return std::atoll(payload.c_str() + std::string_view("{\"amount\":").size());
}

std::vector<float> RandomVector(Rng* rng) {
  std::vector<float> vector(kDim);
  for (float& value : vector) {
    value = static_cast<float>(rng->Gaussian());
  }
  return vector;
}

class ConcurrencyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    DatabaseOptions options;
    options.create_if_missing = true;
    options.durability = Durability::kOs;
    options.seal_rows = 100;
    options.search_threads = 2;
    ASSERT_OK_AND_ASSIGN(database_, Database::Open(path_, options));
    CollectionOptions collection;
    VectorField field;
    field.dim = kDim;
    field.metric = Metric::kL2;
    field.index = IndexKind::kHnsw;
    field.ef_construction = 40;
    collection.vectors.push_back(field);
    ASSERT_OK_AND_ASSIGN(collection_, database_->CreateCollection("c", collection));
    Rng rng(1);
    WriteBatch batch;
    for (int i = 0; i < kRecords; ++i) {
      batch.Upsert(MakeRecord(i, kAmount, &rng));
    }
    ASSERT_OK(collection_->Write(batch));
  }

  static Record MakeRecord(int i, int64_t amount, Rng* rng) {
    Record record;
    record.id = "r" + std::to_string(i);
    record.vector = RandomVector(rng);
    record.payload = Payload(amount);
    return record;
  }

  /// Moves amounts within [first, first + count): the only writer of these records.
  void Move(int first, int count, uint64_t seed, int batches) {
    Rng rng(seed);
    std::vector<int64_t> amounts(static_cast<size_t>(count), kAmount);
    for (int b = 0; b < batches; ++b) {
      const auto from = static_cast<size_t>(rng.Uniform(static_cast<uint64_t>(count)));
      const auto to = static_cast<size_t>(rng.Uniform(static_cast<uint64_t>(count)));
      const auto moved = static_cast<int64_t>(rng.Uniform(50));
      amounts[from] -= moved;
      amounts[to] += moved;
      WriteBatch batch;
      batch.Upsert(MakeRecord(first + static_cast<int>(from), amounts[from], &rng));
      if (rng.Uniform(2) == 0) {
        batch.PatchPayload("r" + std::to_string(first + static_cast<int>(to)),
                           Payload(amounts[to]));
      } else {
        batch.Delete("r" + std::to_string(first + static_cast<int>(to)));
        batch.Upsert(MakeRecord(first + static_cast<int>(to), amounts[to], &rng));
      }
      const Result<WriteResult> written = collection_->Write(batch);
      if (!written.ok()) {
        ADD_FAILURE() << written.status().ToString();
        return;
      }
    }
  }

  void CheckSum(const std::shared_ptr<const Snapshot>& snapshot) {
    SearchOptions options;
    options.limit = kRecords + 10;
    options.exact = true;
    options.with_payload = true;
    options.snapshot = snapshot;
    const Result<SearchResponse> found =
        collection_->Search(std::vector<float>(kDim, 0.0F), options);
    if (!found.ok()) {
      ADD_FAILURE() << found.status().ToString();
      return;
    }
    int64_t sum = 0;
    for (const Hit& hit : found->hits) {
      sum += AmountOf(hit.payload);
    }
    EXPECT_EQ(found->hits.size(), static_cast<size_t>(kRecords));
    EXPECT_EQ(sum, kRecords * kAmount);
  }

  void SearchUntil(const std::atomic<bool>* stop, uint64_t seed) {
    Rng rng(seed);
    while (!stop->load()) {
      SearchOptions options;
      options.with_payload = rng.Uniform(2) == 0;
      const Result<SearchResponse> found = collection_->Search(RandomVector(&rng), options);
      if (!found.ok() || found->hits.size() != options.limit) {
        ADD_FAILURE() << (found.ok() ? "too few hits" : found.status().ToString());
        return;
      }
      if (rng.Uniform(4) == 0) {
        const auto snapshot = database_->TakeSnapshot();
        CheckSum(*snapshot);
      }
    }
  }

  TempDir dir_;
  const std::string path_ = dir_.file("db");
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
};

TEST_F(ConcurrencyTest, NoReaderSeesHalfABatch) {
  ChildProcess reader({LEADLINE_CRASH_WORKER, "read", path_, std::to_string(kRecords * kAmount)},
                      {});
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  writers.emplace_back([&] { Move(0, kRecords / 2, 1, 1500); });
  writers.emplace_back([&] { Move(kRecords / 2, kRecords / 2, 2, 1500); });
  std::vector<std::thread> others;
  others.emplace_back([&] { SearchUntil(&stop, 3); });
  others.emplace_back([&] { SearchUntil(&stop, 4); });
  others.emplace_back([&] {
    while (!stop.load()) {
      EXPECT_OK(collection_->Optimize());
    }
  });
  for (std::thread& writer : writers) {
    writer.join();
  }
  stop.store(true);
  for (std::thread& other : others) {
    other.join();
  }
  reader.CloseInput();
  const int status = reader.Wait();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "reader process saw a torn state";
  CheckSum(nullptr);
  ASSERT_OK_AND_ASSIGN(const CheckReport report, database_->Check());
  EXPECT_TRUE(report.ok()) << report.problems[0].invariant << report.problems[0].detail;
}

}  // namespace
}  // namespace leadline::testing
