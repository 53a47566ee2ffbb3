// Everything at once: writers that move amounts between records (the sum never changes), searchers,
// sealing, merging, snapshots, backups, collections that come and go, and two readers in processes
// of their own. No reader may ever see half a batch. Once for each kind of index.
//
// LEADLINE_CONCURRENCY_BATCHES sets the least number of batches a writer writes.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "child_process.h"
#include "leadline/core/file_system.h"
#include "leadline/core/rng.h"
#include "leadline/leadline.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

/// Few records move: a graph whose rows are mostly dead is scanned, not walked.
constexpr int kRecords = 800;
constexpr int kMovingPerWriter = 100;
constexpr int64_t kAmount = 1000;
constexpr size_t kDim = 24;  // long enough for blob files
constexpr size_t kBatchQueries = 100;
constexpr uint64_t kReaderRounds = 20;
/// Writers come to an end: a reader replays the log at each refresh and would never catch up with
/// one that grows for ever.
constexpr int kComings = 30;
#ifdef LEADLINE_TSAN
constexpr uint64_t kDefaultBatches = 60;
#else
constexpr uint64_t kDefaultBatches = 400;
#endif

std::string Payload(int64_t amount) {
  return "{\"amount\":" + std::to_string(amount) + "}";
}

int64_t AmountOf(const std::string& payload) {
  return std::atoll(payload.c_str() + std::string_view("{\"amount\":").size());
}

std::vector<float> RandomVectors(Rng* rng, size_t rows) {
  std::vector<float> vectors(rows * kDim);
  for (float& value : vectors) {
    value = static_cast<float>(rng->Gaussian());
  }
  return vectors;
}

CollectionOptions MakeCollection(IndexKind kind) {
  CollectionOptions collection;
  VectorField field;
  field.dim = kDim;
  field.metric = Metric::kL2;
  field.index = kind;
  field.m = 8;
  field.ef_construction = 40;
  field.nlist = 8;
  collection.vectors.push_back(field);
  return collection;
}

Record MakeRecord(const std::string& id, int64_t amount, Rng* rng) {
  Record record;
  record.id = id;
  record.vector = RandomVectors(rng, 1);
  record.payload = Payload(amount);
  return record;
}

struct Setting {
  IndexKind index;
  Durability durability;
  const char* name;
};

class ConcurrencyTest : public ::testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    DatabaseOptions options;
    options.create_if_missing = true;
    options.durability = GetParam().durability;
    options.interval_ms = 5;
    options.seal_rows = 100;
    options.search_threads = 2;
    options.background_threads = 2;
    ASSERT_OK_AND_ASSIGN(database_, Database::Open(path_, options));
    ASSERT_OK_AND_ASSIGN(collection_,
                         database_->CreateCollection("c", MakeCollection(GetParam().index)));
    Rng rng(seed_);
    WriteBatch batch;
    for (int i = 0; i < kRecords; ++i) {
      batch.Upsert(MakeRecord(IdOf(i), kAmount, &rng));
    }
    ASSERT_OK(collection_->Write(batch));
  }

  static std::string IdOf(int i) { return "r" + std::to_string(i); }

  /// On a slow machine the writers would be done before anything else has begun.
  [[nodiscard]] bool GoesOn(uint64_t batches_done, uint64_t batches) const {
    const bool awaited = index_searches_.load() == 0 || backups_.load() == 0;
    return !HasFailure() &&
           (batches_done < batches || (awaited && std::chrono::steady_clock::now() < patience_));
  }

  /// Moves amounts within [first, first + count): the only writer of these records.
  void Move(int first, int count, uint64_t batches) {
    Rng rng(seed_ + static_cast<uint64_t>(first) + 1);
    std::vector<int64_t> amounts(static_cast<size_t>(count), kAmount);
    for (uint64_t b = 0; GoesOn(b, batches); ++b) {
      const auto from = static_cast<size_t>(rng.Uniform(static_cast<uint64_t>(count)));
      const auto to = static_cast<size_t>(rng.Uniform(static_cast<uint64_t>(count)));
      const auto moved = static_cast<int64_t>(rng.Uniform(50));
      amounts[from] -= moved;
      amounts[to] += moved;
      WriteBatch batch;
      batch.Upsert(MakeRecord(IdOf(first + static_cast<int>(from)), amounts[from], &rng));
      const std::string target = IdOf(first + static_cast<int>(to));
      if (rng.Uniform(2) == 0) {
        batch.PatchPayload(target, Payload(amounts[to]));
      } else {
        batch.Delete(target);
        batch.Upsert(MakeRecord(target, amounts[to], &rng));
      }
      EXPECT_OK(collection_->Write(batch));
      if (b % 8 == 0) {
        Rest();
      }
    }
  }

  void CheckSum(Collection* collection, const std::shared_ptr<const Snapshot>& snapshot) {
    SearchOptions options;
    options.limit = kRecords + 10;
    options.exact = true;
    options.with_payload = true;
    options.snapshot = snapshot;
    const Result<SearchResponse> found =
        collection->Search(std::vector<float>(kDim, 0.0F), options);
    ASSERT_OK(found);
    int64_t sum = 0;
    for (const Hit& hit : found->hits) {
      sum += AmountOf(hit.payload);
    }
    EXPECT_EQ(found->hits.size(), static_cast<size_t>(kRecords));
    EXPECT_EQ(sum, kRecords * kAmount);
  }

  /// Hits of an approximate search are distinct and as many as asked for; counts index use.
  void CheckHits(const SearchResponse& found, size_t limit) {
    std::set<std::string> ids;
    for (const Hit& hit : found.hits) {
      ids.insert(hit.id);
    }
    EXPECT_EQ(ids.size(), limit) << "too few hits, or one twice";
    const char* wanted = GetParam().index == IndexKind::kHnsw ? "hnsw" : "ivf";
    for (const PlanStep& step : found.plan->steps) {
      index_searches_ += step.strategy == wanted && !step.fallback ? 1U : 0U;
    }
  }

  static SearchOptions ThroughTheIndex() {
    SearchOptions options;
    options.ef_search = 12;
    options.nprobe = 3;
    options.full_scan_threshold = 0;
    options.explain = true;
    return options;
  }

  void SearchUntilStopped(uint64_t seed) {
    Rng rng(seed_ + seed);
    while (!stop_.load() && !HasFailure()) {
      SearchOptions options = ThroughTheIndex();
      options.with_payload = rng.Uniform(2) == 0;
      const Result<SearchResponse> found = collection_->Search(RandomVectors(&rng, 1), options);
      ASSERT_OK(found);
      CheckHits(*found, options.limit);
      if (rng.Uniform(4) == 0) {
        ASSERT_OK_AND_ASSIGN(const auto snapshot, database_->TakeSnapshot());
        CheckSum(collection_.get(), snapshot);
      }
    }
  }

  void SearchBatchesUntilStopped() {
    Rng rng(seed_ + 50);
    while (!stop_.load() && !HasFailure()) {
      const std::vector<float> queries = RandomVectors(&rng, kBatchQueries);
      const SearchOptions options = ThroughTheIndex();
      const Result<std::vector<SearchResponse>> found =
          collection_->SearchBatch({queries.data(), kBatchQueries, kDim}, options);
      ASSERT_OK(found);
      ASSERT_EQ(found->size(), kBatchQueries);
      for (const SearchResponse& response : *found) {
        CheckHits(response, options.limit);
        EXPECT_EQ(response.plan->sequence, (*found)[0].plan->sequence) << "not one moment";
      }
      Rest();
    }
  }

  /// Counts and pages see whole batches too.
  void CountUntilStopped() {
    while (!stop_.load() && !HasFailure()) {
      ASSERT_OK_AND_ASSIGN(const uint64_t count, collection_->Count(std::nullopt));
      EXPECT_EQ(count, static_cast<uint64_t>(kRecords));
      ScrollOptions options;
      options.limit = 300;
      ASSERT_OK_AND_ASSIGN(options.read.snapshot, database_->TakeSnapshot());
      int64_t sum = 0;
      do {
        ASSERT_OK_AND_ASSIGN(const ScrollPage page, collection_->Scroll(options));
        for (const Record& record : page.records) {
          sum += AmountOf(record.payload);
        }
        options.cursor = page.next_cursor;
      } while (!options.cursor.empty());
      EXPECT_EQ(sum, kRecords * kAmount);
      Rest();
    }
  }

  /// A collection of its own: created, filled, thinned out, dropped.
  void ComeAndGoUntilStopped() {
    Rng rng(seed_ + 60);
    for (int round = 0; round < kComings && !stop_.load() && !HasFailure(); ++round) {
      ASSERT_OK_AND_ASSIGN(const auto other,
                           database_->CreateCollection("d", MakeCollection(GetParam().index)));
      WriteBatch batch;
      for (int i = 0; i < 120; ++i) {
        batch.Upsert(MakeRecord("d" + std::to_string(i), i, &rng));
      }
      ASSERT_OK(other->Write(batch));
      ASSERT_OK_AND_ASSIGN(const WriteResult deleted,
                           other->DeleteWhere(*Filter::Parse("amount < 50")));
      EXPECT_EQ(deleted.deleted, 50U);
      ASSERT_OK_AND_ASSIGN(const uint64_t left, other->Count(std::nullopt));
      EXPECT_EQ(left, 70U);
      ASSERT_OK(database_->DropCollection("d"));
      Rest();
    }
  }

  void BackUpUntilStopped() {
    for (int round = 0; round < kComings && !stop_.load() && !HasFailure(); ++round) {
      const std::string backup = dir_.file("backup");
      ASSERT_OK(database_->Backup(backup));
      DatabaseOptions options;
      options.read_only = true;
      ASSERT_OK_AND_ASSIGN(const auto copy, Database::Open(backup, options));
      ASSERT_OK_AND_ASSIGN(const auto collection, copy->OpenCollection("c"));
      CheckSum(collection.get(), nullptr);
      ASSERT_OK(copy->Close());
      ASSERT_OK(DeleteRecursively(FileSystem::Posix(), backup));
      ++backups_;
      Rest();
    }
  }

  /// Leaves the cores to the reader processes and the writers for a while.
  static void Rest() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

  /// Reads what a reader process reports until it has ended that many more rounds, or died.
  static void AwaitRounds(const ChildProcess& reader, uint64_t rounds) {
    std::string text;
    const auto patience = std::chrono::steady_clock::now() + std::chrono::minutes(5);
    while (static_cast<uint64_t>(std::count(text.begin(), text.end(), 'P')) < rounds &&
           reader.ReadSome(&text, 1000) && std::chrono::steady_clock::now() < patience) {
    }
  }

  [[nodiscard]] std::unique_ptr<ChildProcess> StartReader() const {
    return std::make_unique<ChildProcess>(
        std::vector<std::string>{LEADLINE_CRASH_WORKER, "read", path_,
                                 std::to_string(kRecords * kAmount)},
        std::vector<std::pair<std::string, std::string>>{});
  }

  /// Ends a reader process, which has one round more to go, and looks at its report.
  static void EndReader(ChildProcess* reader) {
    reader->CloseInput();
    const std::string report = reader->ReadAll();
    const int status = reader->Wait();
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << "a reader process saw a torn state: " << DescribeStatus(status);
    unsigned long long rounds = 0;
    unsigned long long sequences = 0;
    const size_t last = report.find('=');
    ASSERT_NE(last, std::string::npos) << report;
    ASSERT_EQ(std::sscanf(report.c_str() + last, "=%llu %llu", &rounds, &sequences), 2) << report;
    std::printf("[ reader] %llu rounds, %llu sequences\n", rounds, sequences);
    EXPECT_GE(rounds, kReaderRounds);
    EXPECT_GE(sequences, 2U) << "a reader process saw one moment only";
  }

  TempDir dir_;
  const uint64_t seed_ = TestSeed(1);
  const std::string path_ = dir_.file("db");
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
  const std::chrono::steady_clock::time_point patience_ =
      std::chrono::steady_clock::now() + std::chrono::minutes(2);
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> index_searches_{0};
  std::atomic<uint64_t> backups_{0};
};

TEST_P(ConcurrencyTest, NoReaderSeesHalfABatch) {
  const uint64_t batches = FromEnvironment("LEADLINE_CONCURRENCY_BATCHES", kDefaultBatches);
  const std::unique_ptr<ChildProcess> readers[] = {StartReader(), StartReader()};
  // The first round ends before anything changes and the last begins when all is written, so a
  // reader sees several moments however slow it is.
  for (const auto& reader : readers) {
    AwaitRounds(*reader, 1);
  }
  std::vector<std::thread> writers;
  for (const auto& reader : readers) {
    writers.emplace_back([&] { AwaitRounds(*reader, kReaderRounds); });
  }
  writers.emplace_back([&] { Move(0, kMovingPerWriter, batches); });
  writers.emplace_back([&] { Move(kMovingPerWriter, kMovingPerWriter, batches); });
  std::vector<std::thread> others;
  others.emplace_back([&] { SearchUntilStopped(40); });
  others.emplace_back([&] { SearchUntilStopped(41); });
  others.emplace_back([&] { SearchBatchesUntilStopped(); });
  others.emplace_back([&] { CountUntilStopped(); });
  others.emplace_back([&] { ComeAndGoUntilStopped(); });
  others.emplace_back([&] { BackUpUntilStopped(); });
  others.emplace_back([&] {
    while (!stop_.load() && !HasFailure()) {
      EXPECT_OK(collection_->Optimize());
      Rest();
    }
  });
  for (std::thread& writer : writers) {
    writer.join();
  }
  stop_.store(true);
  for (std::thread& other : others) {
    other.join();
  }
  for (const auto& reader : readers) {
    EndReader(reader.get());
  }
  std::printf("[ others] %llu index searches, %llu backups\n",
              static_cast<unsigned long long>(index_searches_.load()),
              static_cast<unsigned long long>(backups_.load()));
  EXPECT_GT(index_searches_.load(), 0U) << "no search used the index";
  EXPECT_GT(backups_.load(), 0U);
  CheckSum(collection_.get(), nullptr);
  ASSERT_OK_AND_ASSIGN(const CheckReport check, database_->Check());
  EXPECT_TRUE(check.ok()) << check.problems[0].invariant << check.problems[0].detail;
}

INSTANTIATE_TEST_SUITE_P(All, ConcurrencyTest,
                         ::testing::Values(Setting{IndexKind::kHnsw, Durability::kOs, "HnswOs"},
                                           Setting{IndexKind::kIvf, Durability::kInterval,
                                                   "IvfInterval"}),
                         [](const auto& setting) { return std::string(setting.param.name); });

}  // namespace
}  // namespace leadline::testing
