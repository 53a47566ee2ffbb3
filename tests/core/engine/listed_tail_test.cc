// Rows that are not sealed yet are searched by the lists of the largest segment: as well as it
// promises, at their share of the work, and whoever asks gets one answer.

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine_fixture.h"

namespace leadline::testing {
namespace {

constexpr uint64_t kSeed = 20261127;
constexpr size_t kDim = 32;
constexpr size_t kSealed = 12'000;
constexpr size_t kClusters = 60;

class ListedTailTest : public EngineTest {
 protected:
  void SetUp() override {
    options_.background_maintenance = false;
    options_.seal_rows = 100'000;
    Rng rng(kSeed);
    centres_.resize(kClusters * kDim);
    for (float& value : centres_) {
      value = static_cast<float>(rng.Gaussian());
    }
  }

  void OpenWith(CodeType codes = CodeType::kAuto) {
    Open();
    VectorField field;
    field.dim = kDim;
    field.index = IndexKind::kIvf;
    field.codes = codes;
    Create(field);
    Add(0, kSealed);
    ASSERT_OK(collection_->Optimize());
  }

  [[nodiscard]] std::vector<float> VectorOf(size_t i) const {
    Rng rng(kSeed + i);
    const size_t cluster = rng.Uniform(kClusters);
    std::vector<float> vector(kDim);
    for (size_t d = 0; d < kDim; ++d) {
      vector[d] = centres_[cluster * kDim + d] + 0.5F * static_cast<float>(rng.Gaussian());
    }
    return vector;
  }

  /// Queries lie like the rows and are none of them.
  [[nodiscard]] std::vector<float> QueryOf(size_t i) const { return VectorOf(1'000'000 + i); }

  void Add(size_t begin, size_t end, size_t batch = 500) {
    for (size_t i = begin; i < end; i += batch) {
      std::vector<Record> records;
      for (size_t r = i; r < std::min(end, i + batch); ++r) {
        records.push_back({});
        records.back().id = "r" + std::to_string(r);
        records.back().vector = VectorOf(r);
        records.back().payload = "{\"n\":" + std::to_string(r % 7) + "}";
      }
      ASSERT_OK(collection_->Upsert(std::move(records)));
    }
  }

  [[nodiscard]] static SearchOptions AtTarget(double target) {
    SearchOptions options;
    options.target_recall = target;
    options.explain = true;
    return options;
  }

  /// Looks at everything by codes and in full.
  [[nodiscard]] static SearchOptions AllLists() {
    SearchOptions options;
    options.nprobe = kMaxNprobe;
    options.rescore = kMaxEfSearch;
    options.limit = 50;
    options.explain = true;
    return options;
  }

  [[nodiscard]] std::vector<std::pair<std::string, float>> Hits(
      const std::vector<float>& query, const SearchOptions& options) const {
    std::vector<std::pair<std::string, float>> hits;
    const Result<SearchResponse> found = collection_->Search(query, options);
    EXPECT_OK(found);
    for (const Hit& hit : found->hits) {
      hits.emplace_back(hit.id, hit.score);
    }
    return hits;
  }

  [[nodiscard]] size_t Steps(const std::string& strategy) const {
    const Result<SearchResponse> found = collection_->Search(QueryOf(0), AtTarget(0.95));
    EXPECT_OK(found);
    return static_cast<size_t>(
        std::count_if(found->plan->steps.begin(), found->plan->steps.end(),
                      [&](const PlanStep& step) { return step.strategy == strategy; }));
  }

  struct Measured {
    double recall = 0;
    double distances = 0;
  };

  /// At a target of .95, over queries that are no rows.
  [[nodiscard]] Measured Measure() const {
    constexpr size_t kQueries = 150;
    Measured measured;
    for (size_t q = 0; q < kQueries; ++q) {
      const Result<SearchResponse> found = collection_->Search(QueryOf(q), AtTarget(0.95));
      SearchOptions exact;
      exact.exact = true;
      std::unordered_set<std::string> truth;
      for (const auto& [id, score] : Hits(QueryOf(q), exact)) {
        truth.insert(id);
      }
      EXPECT_OK(found);
      for (const Hit& hit : found->hits) {
        measured.recall += truth.count(hit.id) > 0 ? 0.1 / kQueries : 0;
      }
      measured.distances += static_cast<double>(found->plan->distances) / kQueries;
    }
    return measured;
  }

  std::vector<float> centres_;
};

TEST_F(ListedTailTest, PromisesHoldWhileRowsArriveAtTheirShareOfTheWork) {
  OpenWith();
  const Measured rest = Measure();
  size_t rows = kSealed;
  for (const size_t more : {200U, 1500U, 3500U}) {
    Add(rows, rows + more);
    rows += more;
    const Measured measured = Measure();
    const double share = static_cast<double>(rows - kSealed) / kSealed;
    std::printf("[ recall] seed %zu: %zu rows in the tail: %.4f (%.4f at rest), %.0f of %.0f\n",
                static_cast<size_t>(kSeed), rows - kSealed, measured.recall, rest.recall,
                measured.distances, rest.distances);
    EXPECT_GE(measured.recall, 0.95);
    // Rows that no block is full of yet are compared one by one.
    EXPECT_LE(measured.distances, rest.distances * (1 + 2.2 * share) + 64);
  }
  EXPECT_GE(Steps("lists"), 5U);
  // Two segments and a tail.
  options_.seal_rows = 4000;
  ASSERT_OK(collection_->Optimize());
  Add(rows, rows + 1000);
  EXPECT_GE(Measure().recall, 0.95);
}

TEST_F(ListedTailTest, EqualsAScanWhereAllListsAreLookedAt) {
  for (const CodeType codes : {CodeType::kPq4, CodeType::kSq8}) {
    OpenWith(codes);
    Add(kSealed, kSealed + 1733);
    ASSERT_OK(collection_->Delete({"r5", "r12000", "r12063", "r12064", "r13500", "r13732"}));
    Add(13'000, 13'020);  // replaced: the old rows are dead
    SearchOptions exact;
    exact.exact = true;
    exact.limit = 50;
    for (size_t q = 0; q < 20; ++q) {
      const std::vector<float> query = q % 2 == 0 ? VectorOf(12'000 + 64 * q) : QueryOf(q);
      EXPECT_EQ(Hits(query, AllLists()), Hits(query, exact)) << q;
    }
    Close();
    std::filesystem::remove_all(path());
  }
}

TEST_F(ListedTailTest, ASnapshotGivesOneAnswerForGood) {
  OpenWith();
  Add(kSealed, kSealed + 700);
  ASSERT_OK_AND_ASSIGN(const auto snapshot, database_->TakeSnapshot());
  SearchOptions options = AtTarget(0.9);
  options.snapshot = snapshot;
  std::vector<std::vector<std::pair<std::string, float>>> first;
  for (size_t q = 0; q < 30; ++q) {
    first.push_back(Hits(QueryOf(q), options));
  }
  const auto expect_the_same = [&] {
    for (size_t q = 0; q < 30; ++q) {
      EXPECT_EQ(Hits(QueryOf(q), options), first[q]) << q;
    }
  };
  Add(kSealed + 700, kSealed + 2500);
  ASSERT_OK(collection_->Delete({"r12000", "r12001"}));
  static_cast<void>(Steps("lists"));
  expect_the_same();
  ASSERT_OK(collection_->Optimize());
  Add(kSealed + 2500, kSealed + 3000);
  static_cast<void>(Steps("lists"));
  expect_the_same();
}

TEST_F(ListedTailTest, WhatAsksForAScanGetsOne) {
  OpenWith();
  Add(kSealed, kSealed + 1100);
  EXPECT_EQ(Steps("lists"), 2U);
  SearchOptions options = AtTarget(0.95);
  options.filter = Filter::Parse("n < 6").value();
  const auto scans = [&] {
    const Result<SearchResponse> found = collection_->Search(QueryOf(0), options);
    EXPECT_OK(found);
    return std::all_of(found->plan->steps.begin(), found->plan->steps.end(),
                       [](const PlanStep& step) {
                         return step.source != "tail" || step.strategy.substr(0, 4) == "scan";
                       });
  };
  EXPECT_TRUE(scans()) << "filter";
  options = AtTarget(0.95);
  options.full_scan_threshold = 1100;
  EXPECT_TRUE(scans()) << "threshold";
  options = AtTarget(0.95);
  options.exact = true;
  EXPECT_TRUE(scans()) << "exact";
  options = AtTarget(0.95);
  options.limit = kMaxTopK;
  EXPECT_EQ(Hits(QueryOf(0), options).size(), kSealed + 1100) << "more than there are";
}

/// Deletes leave so few rows of the segment that it scans itself: the tail is scanned then as well.
TEST_F(ListedTailTest, IsScannedWhereTheSegmentScans) {
  OpenWith();
  Add(kSealed, kSealed + 600);
  std::vector<std::string> ids;
  for (size_t i = 0; i < kSealed; ++i) {
    if (i % 5 != 0) {
      ids.push_back("r" + std::to_string(i));
    }
  }
  ASSERT_OK(collection_->Delete(ids));
  SearchOptions options = AtTarget(0.999);
  options.nprobe = kMaxNprobe;
  SearchOptions exact;
  exact.exact = true;
  for (size_t q = 0; q < 10; ++q) {
    EXPECT_EQ(Hits(QueryOf(q), options), Hits(QueryOf(q), exact)) << q;
  }
}

TEST_F(ListedTailTest, EachWrittenRowIsFoundAtOnceByManyReaders) {
  OpenWith();
  std::atomic<size_t> written{kSealed};
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (size_t t = 0; t < 3; ++t) {
    readers.emplace_back([&, t] {
      Rng rng(kSeed + t);
      while (!stop) {
        const size_t rows = written;
        const size_t i = rows - 1 - rng.Uniform(std::min<size_t>(rows, 2000));
        const auto hits = Hits(VectorOf(i), AtTarget(0.95));
        ASSERT_FALSE(hits.empty());
        EXPECT_EQ(hits[0].first, "r" + std::to_string(i));
      }
    });
  }
  for (size_t i = kSealed; i < kSealed + 3000; i += 50) {
    Add(i, i + 50);
    written = i + 50;
  }
  stop = true;
  for (std::thread& reader : readers) {
    reader.join();
  }
}

}  // namespace
}  // namespace leadline::testing
