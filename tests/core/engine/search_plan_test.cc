// `explain` tells what ran: an index that chose to scan, a scan of the store, every round of a
// grouped search.

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "quiet_engine.h"
#include "status_matchers.h"

namespace leadline {
namespace {

constexpr size_t kDim = 8;

class SearchPlanTest : public testing::QuietEngineTest {
 protected:
  Record RandomRecord(size_t i) {
    Record record;
    record.id = "r" + std::to_string(i);
    for (size_t d = 0; d < kDim; ++d) {
      record.vector.push_back(static_cast<float>(rng_.Gaussian()));
    }
    record.payload = "{\"n\":" + std::to_string(i) + "}";
    return record;
  }

  void Build(IndexKind index, size_t rows) {
    Create(kDim, Metric::kL2, index);
    Fill(0, rows, [this](size_t i) { return RandomRecord(i); });
    ASSERT_OK(collection_->Optimize());
  }

  SearchResponse Explained(SearchOptions options) {
    options.explain = true;
    Result<SearchResponse> response = collection_->Search(std::vector<float>(kDim, 0.1F), options);
    EXPECT_OK(response);
    uint64_t distances = 0;
    for (const PlanStep& step : response->plan->steps) {
      distances += step.distances;
    }
    EXPECT_EQ(response->plan->distances, distances);
    return std::move(response).value();
  }

  PlanStep OnlyStep(const SearchOptions& options) {
    const SearchResponse response = Explained(options);
    EXPECT_EQ(response.plan->steps.size(), 1U);
    return response.plan->steps.at(0);
  }

  Rng rng_{17};
};

TEST_F(SearchPlanTest, GraphThatScansIsCalledAScan) {
  constexpr size_t kRows = 3000;
  Build(IndexKind::kHnsw, kRows);
  SearchOptions options;
  options.full_scan_threshold = 0;
  options.ef_search = 16;
  const PlanStep walked = OnlyStep(options);
  EXPECT_EQ(walked.strategy, "hnsw");
  EXPECT_LT(walked.distances, kRows);
  EXPECT_FALSE(walked.fallback);
  options.ef_search = 1000;
  const PlanStep told = OnlyStep(options);
  EXPECT_EQ(told.strategy, "hnsw") << "0 always uses the index";
  options.full_scan_threshold = 1;
  const PlanStep scanned = OnlyStep(options);
  EXPECT_EQ(scanned.strategy, "scan");
  EXPECT_EQ(scanned.distances, kRows);
  EXPECT_EQ(scanned.matches, kRows);
  EXPECT_FALSE(scanned.fallback);
}

TEST_F(SearchPlanTest, AutomaticIndexesFindWhatIsAskedFor) {
  constexpr size_t kRows = 10'000;
  constexpr size_t kQueries = 100;
  std::vector<std::vector<float>> centres(40, std::vector<float>(kDim));
  for (std::vector<float>& centre : centres) {
    for (float& value : centre) {
      value = static_cast<float>(4 * rng_.Gaussian());
    }
  }
  const auto draw = [&](size_t i) {
    Record record = RandomRecord(i);
    const std::vector<float>& centre = centres[rng_.Uniform(centres.size())];
    for (size_t d = 0; d < kDim; ++d) {
      record.vector[d] += centre[d];
    }
    return record;
  };
  Create(kDim, Metric::kL2, IndexKind::kAuto);
  Fill(0, kRows, draw);
  ASSERT_OK(collection_->Optimize());
  ASSERT_OK_AND_ASSIGN(const CollectionStats stats, collection_->Stats());
  ASSERT_EQ(stats.indexes.size(), 1U);
  EXPECT_EQ(stats.indexes[0].kind, IndexKind::kIvf);
  EXPECT_EQ(stats.indexes[0].codes, CodeType::kPq4);
  EXPECT_EQ(stats.indexes[0].lists, 175U);
  SearchOptions exact;
  exact.exact = true;
  SearchOptions targeted;
  targeted.target_recall = 0.95;
  targeted.explain = true;
  size_t found = 0;
  uint64_t distances = 0;
  for (size_t q = 0; q < kQueries; ++q) {
    const std::vector<float> query = draw(0).vector;
    ASSERT_OK_AND_ASSIGN(const SearchResponse truth, collection_->Search(query, exact));
    ASSERT_OK_AND_ASSIGN(const SearchResponse hits, collection_->Search(query, targeted));
    ASSERT_TRUE(hits.plan.has_value());
    distances += hits.plan->distances;
    for (const Hit& hit : hits.hits) {
      found += hit.score <= truth.hits.back().score ? 1 : 0;
    }
  }
  // Two standard errors of a thousand hits that come by the query.
  EXPECT_GE(found, 1000 * 0.95 - 25);
  EXPECT_LE(distances, kQueries * kRows / 4);
}

TEST_F(SearchPlanTest, SaysWhatTheCurveChose) {
  for (const IndexKind kind : {IndexKind::kIvf, IndexKind::kHnsw}) {
    if (collection_ != nullptr) {
      collection_.reset();
      ASSERT_OK(database_->DropCollection("c"));
    }
    Build(kind, 3000);
    const auto effort = [kind](const PlanStep& step) {
      EXPECT_EQ(kind == IndexKind::kIvf ? step.ef_search : step.nprobe, 0U);
      return kind == IndexKind::kIvf ? step.nprobe : step.ef_search;
    };
    SearchOptions options;
    options.full_scan_threshold = 0;
    const PlanStep usual = OnlyStep(options);
    EXPECT_GT(effort(usual), 0U);
    EXPECT_TRUE(usual.promised_recall.has_value());
    PlanStep before;
    for (const double target : {0.5, 0.9, 0.99}) {
      options.target_recall = target;
      const PlanStep step = OnlyStep(options);
      EXPECT_GE(effort(step), effort(before));
      EXPECT_GE(step.distances, before.distances);
      EXPECT_FALSE(step.target_missed);
      EXPECT_GE(*step.promised_recall, target - 1e-6);
      before = step;
    }
    (kind == IndexKind::kIvf ? options.nprobe : options.ef_search) = 11;
    const PlanStep given = OnlyStep(options);
    EXPECT_EQ(effort(given), 11U) << "what is given wins";
    options.exact = true;
    const PlanStep exact = OnlyStep(options);
    EXPECT_EQ(effort(exact), 0U);
    EXPECT_FALSE(exact.promised_recall.has_value());
    EXPECT_FALSE(exact.target_missed);
    ASSERT_OK_AND_ASSIGN(const CollectionStats stats, collection_->Stats());
    const IndexStats& index = stats.indexes.at(0);
    EXPECT_EQ(index.lists > 0, kind == IndexKind::kIvf);
    ASSERT_GT(index.curve.size(), 2U);
    EXPECT_LT(index.curve.front().recall, index.curve.back().recall);
  }
}

TEST_F(SearchPlanTest, ListsThatLackMatchesFallBackToAScan) {
  constexpr size_t kRows = 3000;
  Build(IndexKind::kIvf, kRows);
  SearchOptions options;
  options.full_scan_threshold = 0;
  options.nprobe = 1;
  options.limit = 50;
  options.filter = Filter::Parse("n < 60").value();
  const PlanStep step = OnlyStep(options);
  EXPECT_EQ(step.strategy, "ivf");
  EXPECT_TRUE(step.fallback);
  EXPECT_EQ(step.matches, 60U);
  EXPECT_EQ(step.candidates, 50U);
  EXPECT_GT(step.distances, 60U) << "centroids and the scan";
}

TEST_F(SearchPlanTest, FewMatchesAreScannedAlone) {
  Build(IndexKind::kHnsw, 3000);
  SearchOptions options;
  options.filter = Filter::Parse("n < 60").value();
  const PlanStep few = OnlyStep(options);
  EXPECT_EQ(few.strategy, "scan matches");
  EXPECT_EQ(few.distances, 60U);
  options.exact = true;
  options.filter = Filter::Parse("n < 2900").value();
  const PlanStep most = OnlyStep(options);
  EXPECT_EQ(most.strategy, "scan");
  EXPECT_EQ(most.distances, 2900U);
}

TEST_F(SearchPlanTest, ScanOfTheStoreCountsItsDistancesAndMatches) {
  Build(IndexKind::kHnsw, 3000);
  DamageSegmentsAndReopen();
  SearchOptions options;
  const PlanStep all = OnlyStep(options);
  EXPECT_EQ(all.strategy, "store scan");
  EXPECT_EQ(all.matches, 3000U);
  EXPECT_EQ(all.distances, 3000U);
  options.filter = Filter::Parse("n < 60").value();
  const PlanStep few = OnlyStep(options);
  EXPECT_EQ(few.matches, 60U);
  EXPECT_EQ(few.distances, 60U);
  EXPECT_EQ(few.candidates, 60U);
}

TEST_F(SearchPlanTest, GroupedSearchSumsItsRounds) {
  Create(kDim, Metric::kL2, IndexKind::kFlat);
  constexpr size_t kRows = 400;
  // The first 100 rows from the query are of one group: 8, 16, 32, 64 and 128 rows are asked for.
  const auto make = [](size_t i) {
    Record record;
    record.id = "r" + std::to_string(i);
    record.vector = std::vector<float>(kDim, 0.1F + static_cast<float>(i));
    record.payload = "{\"doc\":" + std::to_string(i < 100 ? 0 : 1) + "}";
    return record;
  };
  Fill(0, kRows, make);
  SearchOptions options;
  options.limit = 2;
  options.group_by = "doc";
  const PlanStep tail = OnlyStep(options);
  EXPECT_EQ(tail.distances, 5 * kRows);
  EXPECT_EQ(tail.candidates, 8U + 16 + 32 + 64 + 128);
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(OnlyStep(options).distances, 5 * kRows);
  // A score that the second group does not reach ends the search with the round that sees it.
  options.min_score = 0.5F;
  const SearchResponse cut = Explained(options);
  EXPECT_EQ(cut.hits.size(), 1U);
  EXPECT_EQ(cut.plan->distances, kRows);
}

}  // namespace
}  // namespace leadline
