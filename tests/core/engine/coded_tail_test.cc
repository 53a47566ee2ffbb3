// Rows that are not sealed yet are compared by codes once their chunk is full: answers stay those
// of comparing vectors, through deletes, filters, snapshots, ties and more sources.

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine_fixture.h"

namespace leadline::testing {
namespace {

constexpr uint64_t kSeed = 20261127;
constexpr size_t kDim = 48;
constexpr size_t kRows = 3500;  // three full chunks and a part of one

class CodedTailTest : public EngineTest, public ::testing::WithParamInterface<Metric> {
 protected:
  void SetUp() override {
    options_.background_maintenance = false;
    options_.seal_rows = 100'000;
    Open();
    Create(kDim, IndexKind::kAuto, GetParam());
    SCOPED_TRACE("seed " + std::to_string(kSeed));
  }

  /// Rows near each other, every tenth one equal to the one ten before: ties everywhere.
  Record RowOf(size_t i) {
    Record record = MakeRecord(i / 20 * 20);
    record.id = "r" + std::to_string(i);
    record.payload = "{\"n\":" + std::to_string(i % 7) + "}";
    if (i % 10 != 0) {
      Rng rng(kSeed + i);
      for (float& value : record.vector) {
        value += 1e-3F * static_cast<float>(rng.Gaussian());
      }
    }
    return record;
  }

  void Add(size_t begin, size_t end) { AddTo(collection_.get(), begin, end); }

  void AddTo(Collection* collection, size_t begin, size_t end) {
    std::vector<Record> records;
    for (size_t i = begin; i < end; ++i) {
      records.push_back(RowOf(i));
    }
    ASSERT_OK(collection->Upsert(std::move(records)));
  }

  /// A collection whose vectors are compared in full precision.
  std::shared_ptr<Collection> Reference() {
    VectorField field;
    field.dim = kDim;
    field.metric = GetParam();
    field.index = IndexKind::kFlat;
    field.codes = CodeType::kF32;
    CollectionOptions shape;
    shape.vectors.push_back(field);
    return database_->CreateCollection("reference", shape).value();
  }

  static SearchOptions Options(size_t limit) {
    SearchOptions options;
    options.limit = limit;
    options.explain = true;
    return options;
  }

  static std::vector<std::pair<std::string, float>> HitsOf(const SearchResponse& found) {
    std::vector<std::pair<std::string, float>> hits;
    for (const Hit& hit : found.hits) {
      hits.emplace_back(hit.id, hit.score);
    }
    return hits;
  }
};

TEST_P(CodedTailTest, AnswersAsInFullPrecision) {
  const std::shared_ptr<Collection> reference = Reference();
  for (Collection* each : {collection_.get(), reference.get()}) {
    AddTo(each, 0, kRows);
    ASSERT_OK(each->Delete({"r5", "r1030", "r3499"}));
  }
  const Filter few = Filter::Parse("n = 3").value();
  for (const size_t i : {size_t{0}, size_t{77}, size_t{1029}, size_t{3480}}) {
    for (const size_t limit : {1, 10, 300}) {
      SearchOptions options = Options(limit);
      const std::vector<float> query = RowOf(i).vector;
      SCOPED_TRACE("query " + std::to_string(i) + " limit " + std::to_string(limit));
      ASSERT_OK_AND_ASSIGN(const SearchResponse found, collection_->Search(query, options));
      EXPECT_EQ(HitsOf(found), HitsOf(reference->Search(query, options).value()));
      options.filter = few;
      ASSERT_OK_AND_ASSIGN(const SearchResponse filtered, collection_->Search(query, options));
      EXPECT_EQ(HitsOf(filtered), HitsOf(reference->Search(query, options).value()));
    }
  }
}

TEST_P(CodedTailTest, ExplainsThatFullChunksAreComparedByCodes) {
  Add(0, kRows);
  ASSERT_OK_AND_ASSIGN(const SearchResponse found,
                       collection_->Search(RowOf(77).vector, Options(10)));
  ASSERT_TRUE(found.plan.has_value());
  const std::vector<PlanStep>& steps = found.plan->steps;
  ASSERT_EQ(steps.size(), 4U);
  uint64_t rescored = 0;
  for (size_t s = 0; s < 3; ++s) {
    EXPECT_EQ(steps[s].codes, "sq8");
    EXPECT_EQ(steps[s].distances - steps[s].rescored, steps[s].rows);
    rescored += steps[s].rescored;
  }
  EXPECT_EQ(steps[3].codes, "f32");
  EXPECT_GE(rescored, 10U);
  EXPECT_LE(rescored, 200U) << "later chunks know how far the tenth row is";
}

TEST_P(CodedTailTest, ASnapshotSeesTheRowsOfItsMoment) {
  Add(0, 1000);
  ASSERT_OK_AND_ASSIGN(const auto snapshot, database_->TakeSnapshot());
  Add(1000, 2500);
  SearchOptions options = Options(2500);
  ASSERT_OK_AND_ASSIGN(const SearchResponse now, collection_->Search(RowOf(3).vector, options));
  EXPECT_EQ(now.hits.size(), 2500U);
  options.snapshot = snapshot;
  ASSERT_OK_AND_ASSIGN(const SearchResponse then, collection_->Search(RowOf(3).vector, options));
  EXPECT_EQ(then.hits.size(), 1000U);
}

INSTANTIATE_TEST_SUITE_P(Metrics, CodedTailTest,
                         ::testing::Values(Metric::kL2, Metric::kInnerProduct, Metric::kCosine),
                         [](const auto& metric) { return std::string(MetricName(metric.param)); });

}  // namespace
}  // namespace leadline::testing
