// Random operations against an in-memory brute-force model, with reopens, snapshots, deletes,
// filters, sealing and compaction in the background.

#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "brute_force_model.h"
#include "leadline/core/rng.h"
#include "leadline/leadline.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline {
namespace {

using testing::BruteForceModel;
using testing::ModelFilter;
using testing::ModelRecord;
using testing::TempDir;

constexpr size_t kDim = 12;
constexpr size_t kIds = 1500;

uint64_t SeedFromEnvironment() {
  const char* text = std::getenv("LEADLINE_TEST_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 20260101;
}

class ModelRun {
 public:
  ModelRun(Metric metric, IndexKind index, uint64_t seed)
      : rng_(seed), model_(metric), metric_(metric), index_(index) {}

  void Start() {
    options_.create_if_missing = true;
    options_.durability = Durability::kOs;
    options_.seal_rows = 300;
    options_.search_threads = 1 + static_cast<uint32_t>(rng_.Uniform(2));
    ASSERT_OK_AND_ASSIGN(database_, Database::Open(dir_.file("db"), options_));
    CollectionOptions collection;
    VectorField field;
    field.dim = kDim;
    field.metric = metric_;
    field.index = index_;
    collection.vectors.push_back(field);
    ASSERT_OK_AND_ASSIGN(collection_, database_->CreateCollection("c", collection));
  }

  void Step() {
    const uint64_t dice = rng_.Uniform(1000);
    if (dice < 450) {
      Upsert();
    } else if (dice < 560) {
      Delete();
    } else if (dice < 640) {
      Patch();
    } else if (dice < 800) {
      Get();
    } else if (dice < 880) {
      Search(/*exact=*/rng_.Uniform(2) == 0);
    } else if (dice < 940) {
      Count();
    } else if (dice < 970) {
      CheckSnapshot();
    } else if (dice < 985) {
      TakeSnapshot();
    } else if (dice < 988) {
      Scroll();
    } else if (dice < 990) {
      DeleteWhere();
    } else if (dice == 990 && rng_.Uniform(4) == 0) {
      ASSERT_OK(collection_->Optimize());
    } else if (dice == 991 && rng_.Uniform(3) == 0) {
      Reopen();
    }
  }

  void Finish() {
    snapshots_.clear();
    ASSERT_OK(collection_->Optimize());
    Scroll();
    for (int i = 0; i < 50; ++i) {
      Search(true);
    }
    ASSERT_OK_AND_ASSIGN(const CheckReport report, database_->Check());
    for (const CheckProblem& problem : report.problems) {
      ADD_FAILURE() << problem.invariant << " " << problem.where << ": " << problem.detail;
    }
    EXPECT_EQ(report.rows, model_.records().size());
    std::printf("[ model ] %zu rows at the end, %d reopens, recall of approximate searches %.4f\n",
                model_.records().size(), reopens_, found_ / std::max(1.0, expected_));
  }

  [[nodiscard]] double recall() const { return found_ / std::max(1.0, expected_); }

 private:
  struct Pinned {
    std::shared_ptr<const Snapshot> snapshot;
    BruteForceModel model;
  };

  std::string RandomId() { return "id" + std::to_string(rng_.Uniform(kIds)); }

  void Upsert() {
    WriteBatch batch;
    BruteForceModel::Records changed;
    const size_t n = 1 + rng_.Uniform(8);
    for (size_t i = 0; i < n; ++i) {
      const std::string id = RandomId();
      const ModelRecord record = testing::RandomModelRecord(&rng_, kDim, ++version_);
      batch.Upsert(testing::ToRecord(id, record));
      changed[id] = record;
    }
    ASSERT_OK(collection_->Write(batch));
    for (auto& [id, record] : changed) {
      model_.records()[id] = record;
    }
  }

  void Delete() {
    const std::string id = RandomId();
    ASSERT_OK_AND_ASSIGN(const WriteResult result, collection_->Delete({id}));
    EXPECT_EQ(result.deleted, model_.records().erase(id));
  }

  void Patch() {
    const std::string id = RandomId();
    const int64_t group = static_cast<int64_t>(rng_.Uniform(1000));
    WriteBatch batch;
    batch.PatchPayload(id, "{\"group\":" + std::to_string(group) + "}");
    const auto found = model_.records().find(id);
    const Result<WriteResult> result = collection_->Write(batch);
    if (found == model_.records().end()) {
      EXPECT_THAT(result, testing::StatusIs(StatusCode::kNotFound));
      return;
    }
    ASSERT_OK(result);
    found->second.group = group;
  }

  void Get() {
    const std::string id = RandomId();
    ASSERT_OK_AND_ASSIGN(const auto records, collection_->Get({id}));
    const auto found = model_.records().find(id);
    ASSERT_EQ(records[0].has_value(), found != model_.records().end()) << id;
    if (records[0].has_value()) {
      EXPECT_EQ(records[0]->vector, found->second.vector);
      EXPECT_NE(records[0]->payload.find("\"version\":" + std::to_string(found->second.version)),
                std::string::npos)
          << records[0]->payload;
    }
  }

  void CompareSearch(const BruteForceModel& model, std::shared_ptr<const Snapshot> snapshot,
                     bool exact) {
    std::vector<float> query = testing::RandomModelRecord(&rng_, kDim, 0).vector;
    const ModelFilter filter = testing::RandomModelFilter(&rng_);
    SearchOptions options;
    options.limit = 1 + rng_.Uniform(20);
    options.filter = filter.Parsed();
    options.exact = exact;
    options.snapshot = std::move(snapshot);
    ASSERT_OK_AND_ASSIGN(const SearchResponse response, collection_->Search(query, options));
    const auto expected = model.Search(query, filter);
    const size_t wanted = std::min(options.limit, expected.size());
    ASSERT_EQ(response.hits.size(), wanted) << "filter: " << filter.text << " exact: " << exact;
    for (size_t i = 0; i < wanted; ++i) {
      const Hit& hit = response.hits[i];
      const auto record = model.records().find(hit.id);
      ASSERT_NE(record, model.records().end()) << hit.id;
      EXPECT_TRUE(filter.Matches(record->second)) << hit.id << " " << filter.text;
      EXPECT_NEAR(hit.score, model.Score(query, record->second.vector), 1e-3);
      if (exact) {
        EXPECT_NEAR(hit.score, expected[i].first, 1e-3) << i << " " << filter.text;
      } else {
        const double worst = expected[wanted - 1].first;
        const bool good =
            metric_ == Metric::kL2 ? hit.score <= worst + 1e-3 : hit.score >= worst - 1e-3;
        found_ += good ? 1 : 0;
        expected_ += 1;
      }
    }
  }

  void Search(bool exact) { CompareSearch(model_, nullptr, exact); }

  void CompareCount(const BruteForceModel& model, std::shared_ptr<const Snapshot> snapshot) {
    const ModelFilter filter = testing::RandomModelFilter(&rng_);
    ReadOptions read;
    read.snapshot = std::move(snapshot);
    ASSERT_OK_AND_ASSIGN(const uint64_t count, collection_->Count(filter.Parsed(), read));
    uint64_t expected = 0;
    for (const auto& [id, record] : model.records()) {
      expected += filter.Matches(record) ? 1 : 0;
    }
    EXPECT_EQ(count, expected) << filter.text;
  }

  void Count() { CompareCount(model_, nullptr); }

  void TakeSnapshot() {
    ASSERT_OK_AND_ASSIGN(std::shared_ptr<const Snapshot> snapshot, database_->TakeSnapshot());
    snapshots_.push_back({std::move(snapshot), model_});
    if (snapshots_.size() > 4) {
      snapshots_.pop_front();
    }
  }

  void CheckSnapshot() {
    if (snapshots_.empty()) {
      return;
    }
    const Pinned& pinned = snapshots_[rng_.Uniform(snapshots_.size())];
    CompareCount(pinned.model, pinned.snapshot);
    CompareSearch(pinned.model, pinned.snapshot, true);
    ReadOptions read;
    read.snapshot = pinned.snapshot;
    const std::string id = RandomId();
    ASSERT_OK_AND_ASSIGN(const auto records, collection_->Get({id}, read));
    const auto found = pinned.model.records().find(id);
    ASSERT_EQ(records[0].has_value(), found != pinned.model.records().end());
    if (records[0].has_value()) {
      EXPECT_EQ(records[0]->vector, found->second.vector);
    }
  }

  void Scroll() {
    const ModelFilter filter = testing::RandomModelFilter(&rng_);
    ScrollOptions options;
    options.filter = filter.Parsed();
    options.limit = 200;
    BruteForceModel::Records seen;
    do {
      ASSERT_OK_AND_ASSIGN(const ScrollPage page, collection_->Scroll(options));
      for (const Record& record : page.records) {
        EXPECT_TRUE(seen.emplace(record.id, ModelRecord{}).second) << record.id;
      }
      options.cursor = page.next_cursor;
    } while (!options.cursor.empty());
    size_t expected = 0;
    for (const auto& [id, record] : model_.records()) {
      if (filter.Matches(record)) {
        ++expected;
        EXPECT_EQ(seen.count(id), 1U) << id;
      }
    }
    EXPECT_EQ(seen.size(), expected);
  }

  void DeleteWhere() {
    ModelFilter filter;
    const int64_t below = static_cast<int64_t>(rng_.Uniform(40));
    filter.group_below = below;
    filter.text = "group < " + std::to_string(below);
    ASSERT_OK_AND_ASSIGN(const WriteResult result, collection_->DeleteWhere(*filter.Parsed()));
    const size_t erased = std::erase_if(
        model_.records(), [&](const auto& entry) { return filter.Matches(entry.second); });
    EXPECT_EQ(result.deleted, erased);
  }

  void Reopen() {
    snapshots_.clear();
    collection_.reset();
    ASSERT_OK(database_->Close());
    database_.reset();
    ASSERT_OK_AND_ASSIGN(database_, Database::Open(dir_.file("db"), options_));
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
    ++reopens_;
  }

  TempDir dir_;
  Rng rng_;
  BruteForceModel model_;
  const Metric metric_;
  const IndexKind index_;
  DatabaseOptions options_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
  std::deque<Pinned> snapshots_;
  int64_t version_ = 0;
  int reopens_ = 0;
  double found_ = 0;
  double expected_ = 0;
};

void RunModel(Metric metric, IndexKind index, int steps) {
  const uint64_t seed = SeedFromEnvironment();
  std::printf("[ model ] seed %llu (replay with LEADLINE_TEST_SEED)\n",
              static_cast<unsigned long long>(seed));
  ModelRun run(metric, index, seed);
  run.Start();
  for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE("step " + std::to_string(i) + " seed " + std::to_string(seed));
    run.Step();
  }
  if (!::testing::Test::HasFailure()) {
    run.Finish();
    EXPECT_GE(run.recall(), 0.97);
  }
}

// Together 200,000 operations.
TEST(Model, AgreesOverRandomOperationsWithHnswAndCosine) {
  RunModel(Metric::kCosine, IndexKind::kHnsw, 70'000);
}

TEST(Model, AgreesOverRandomOperationsWithIvfAndL2) {
  RunModel(Metric::kL2, IndexKind::kIvf, 65'000);
}

TEST(Model, AgreesOverRandomOperationsWithFlatAndInnerProduct) {
  RunModel(Metric::kInnerProduct, IndexKind::kFlat, 65'000);
}

}  // namespace
}  // namespace leadline
