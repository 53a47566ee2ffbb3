#include "leadline/index/hnsw.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "built_hnsw.h"
#include "index_test_data.h"
#include "leadline/index/flat.h"
#include "leadline/index/scan.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using leadline::testing::StatusIs;
using testing::BuildHnsw;
using testing::Hnsw;
using testing::Matrix;
using testing::SearchAll;

constexpr uint64_t kSeed = 31337;
constexpr Metric kMetrics[] = {Metric::kL2, Metric::kInnerProduct, Metric::kCosine};

BuildOptions SmallOptions(Metric metric) {
  BuildOptions options;
  options.metric = metric;
  options.m = 8;
  options.ef_construction = 60;
  return options;
}

// ---- Contract ----

TEST(HnswIndex, FindsNearlyAllNeighboursWithTheDistancesOfTheExactScan) {
  for (const Metric metric : kMetrics) {
    Matrix base = testing::ClusteredMatrix(kSeed, 4000, 24, 60);
    Matrix queries = testing::ClusteredMatrix(kSeed + 9, 100, 24, 60);
    if (metric == Metric::kCosine) {
      testing::NormalizeRows(&base);
      testing::NormalizeRows(&queries);
    }
    const Hnsw hnsw = BuildHnsw(base, SmallOptions(metric));
    ASSERT_OK_AND_ASSIGN(auto flat, FlatIndexFactory().Open({}, base.view(), metric));
    const std::vector<SearchOutcome> found = SearchAll(*hnsw.index, queries.view(), {});
    const std::vector<SearchOutcome> exact = SearchAll(*flat, queries.view(), {});
    double recall = 0;
    for (size_t q = 0; q < queries.rows(); ++q) {
      recall += testing::Recall(found[q].neighbors, exact[q].neighbors);
      ASSERT_EQ(found[q].neighbors.size(), 10U);
      EXPECT_TRUE(std::is_sorted(found[q].neighbors.begin(), found[q].neighbors.end()));
      for (const Neighbor& neighbor : found[q].neighbors) {
        TopK one(1);
        const uint32_t row[] = {neighbor.row};
        ASSERT_OK(ScanList(base.view(), queries.view().row(q), metric, row, {}, &one, nullptr));
        EXPECT_EQ(one.Take()[0], neighbor) << "distance differs from the scan's in some bit";
      }
    }
    // Inner product is no metric and the hardest for a graph.
    EXPECT_GE(recall / 100, metric == Metric::kInnerProduct ? 0.8 : 0.95)
        << MetricName(metric) << " recall " << recall / 100 << " seed " << kSeed;
  }
}

TEST(HnswIndex, ReturnsEveryRowWhenAskedForAll) {
  const Matrix base = testing::IntegerMatrix(kSeed, 700, 6);
  const Hnsw hnsw = BuildHnsw(base, SmallOptions(Metric::kL2));
  SearchParams params;
  params.k = 1000;
  const std::vector<SearchOutcome> out = SearchAll(*hnsw.index, base.view(0, 5), params);
  for (size_t q = 0; q < 5; ++q) {
    EXPECT_EQ(out[q].neighbors, testing::BruteForce(base.view(), base.row(q), Metric::kL2, 1000));
  }
}

TEST(HnswIndex, BuildsTheSameBytesOnAnyNumberOfThreads) {
  const Matrix base = testing::ClusteredMatrix(kSeed, 3000, 16, 30);
  BuildOptions options = SmallOptions(Metric::kL2);
  const Hnsw alone = BuildHnsw(base, options);
  for (const size_t threads : {1U, 2U, 5U}) {
    const auto pool = NewThreadPool(threads);
    options.executor = pool.get();
    const Hnsw pooled = BuildHnsw(base, options);
    EXPECT_EQ(pooled.built[0].bytes, alone.built[0].bytes) << threads << " threads";
  }
  options.executor = nullptr;
  options.seed = 2;
  EXPECT_NE(BuildHnsw(base, options).built[0].bytes, alone.built[0].bytes);
}

TEST(HnswIndex, AnswersDoNotDependOnTheBatchSplit) {
  const Matrix base = testing::ClusteredMatrix(kSeed, 3000, 16, 30);
  const Matrix queries = testing::ClusteredMatrix(kSeed + 1, 40, 16, 30);
  const Hnsw hnsw = BuildHnsw(base, SmallOptions(Metric::kL2));
  const std::vector<uint64_t> allowed = testing::RandomBitmap(kSeed, 3000, 0.6);
  for (const uint64_t* filter : {static_cast<const uint64_t*>(nullptr), allowed.data()}) {
    SearchParams params;
    params.allowed = filter;
    params.ef_search = 20;
    const std::vector<SearchOutcome> together = SearchAll(*hnsw.index, queries.view(), params);
    for (size_t q = queries.rows(); q-- > 0;) {
      const SearchOutcome alone = SearchAll(*hnsw.index, queries.view(q, q + 1), params)[0];
      EXPECT_EQ(alone.neighbors, together[q].neighbors);
      EXPECT_EQ(alone.stats.distances, together[q].stats.distances);
      EXPECT_EQ(alone.stats.hops, together[q].stats.hops);
    }
  }
}

TEST(HnswIndex, ServesSegmentsOfAnySmallSize) {
  for (const size_t rows : {0U, 1U, 2U, 3U, 17U, 64U, 65U}) {
    const Matrix base = testing::IntegerMatrix(kSeed + rows, rows, 5);
    const MatrixView view{base.values.data(), rows, 5};
    Matrix empty_or_base = base;
    empty_or_base.dim = 5;
    const Hnsw hnsw = BuildHnsw(empty_or_base, SmallOptions(Metric::kL2));
    const Matrix query = testing::IntegerMatrix(kSeed, 1, 5);
    EXPECT_EQ(SearchAll(*hnsw.index, query.view(), {})[0].neighbors,
              testing::BruteForce(view, query.row(0), Metric::kL2, 10));
    EXPECT_EQ(hnsw.index->rows(), rows);
    EXPECT_EQ(hnsw.index->kind(), IndexKind::kHnsw);
    EXPECT_FALSE(hnsw.index->exact());
  }
}

// ---- Filters ----

TEST(HnswIndex, ReturnsKAllowedRowsAtAnySelectivity) {
  Matrix base = testing::ClusteredMatrix(kSeed, 20'000, 12, 100);
  const Matrix queries = testing::ClusteredMatrix(kSeed + 1, 30, 12, 100);
  const Hnsw hnsw = BuildHnsw(base, SmallOptions(Metric::kL2));
  for (const double share : {1.0, 0.9, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001, 0.0001, 0.0}) {
    const std::vector<uint64_t> allowed = testing::RandomBitmap(kSeed, 20'000, share);
    const size_t matches = testing::CountBits(allowed, 20'000);
    SearchParams params;
    params.allowed = allowed.data();
    params.ef_search = 100;
    const std::vector<SearchOutcome> out = SearchAll(*hnsw.index, queries.view(), params);
    double recall = 0;
    for (size_t q = 0; q < queries.rows(); ++q) {
      ASSERT_EQ(out[q].neighbors.size(), std::min<size_t>(10, matches)) << share;
      for (const Neighbor& neighbor : out[q].neighbors) {
        ASSERT_TRUE(IsAllowed(allowed.data(), neighbor.row));
      }
      recall += testing::Recall(
          out[q].neighbors,
          testing::BruteForce(base.view(), queries.row(q), Metric::kL2, 10, allowed.data()));
      EXPECT_LE(out[q].stats.distances, 20'000U + 3 * matches / 2) << share;
    }
    EXPECT_GE(recall / 30, 0.95) << "share " << share << " seed " << kSeed;
  }
}

TEST(HnswIndex, FindsAllowedRowsFarFromTheQuery) {
  // Anti-correlated: exactly the rows nearest to the query are disallowed.
  const Matrix base = testing::ClusteredMatrix(kSeed, 8000, 12, 40);
  const Hnsw hnsw = BuildHnsw(base, SmallOptions(Metric::kL2));
  for (const size_t q : {0U, 777U, 5000U}) {
    const std::vector<Neighbor> all =
        testing::BruteForce(base.view(), base.row(q), Metric::kL2, 8000);
    for (const size_t hidden : {100U, 2000U, 6000U, 7995U}) {
      std::vector<uint64_t> allowed(8000 / 64 + 1, ~uint64_t{0});
      for (size_t i = 0; i < hidden; ++i) {
        allowed[all[i].row >> 6] &= ~(uint64_t{1} << (all[i].row & 63));
      }
      SearchParams params;
      params.allowed = allowed.data();
      const std::vector<Neighbor> found =
          SearchAll(*hnsw.index, base.view(q, q + 1), params)[0].neighbors;
      const std::vector<Neighbor> truth =
          testing::BruteForce(base.view(), base.row(q), Metric::kL2, 10, allowed.data());
      ASSERT_EQ(found.size(), truth.size());
      EXPECT_GE(testing::Recall(found, truth), 0.5) << "query " << q << " hidden " << hidden;
    }
  }
}

// ---- Duplicates and reachability ----

TEST(HnswIndex, FindsEveryRowAmongHeavyDuplicates) {
  Rng rng(kSeed);
  for (const size_t distinct : {1U, 7U, 300U}) {
    const Matrix pool = testing::GaussianMatrix(kSeed, distinct, 10);
    Matrix base{{}, 10};
    for (size_t i = 0; i < 3000; ++i) {
      const float* row = pool.row(i < distinct ? i : rng.Uniform(distinct));
      base.values.insert(base.values.end(), row, row + 10);
    }
    const Hnsw hnsw = BuildHnsw(base, SmallOptions(Metric::kL2));
    for (const size_t k : {1U, 10U, 500U}) {
      SearchParams params;
      params.k = k;
      params.ef_search = 1;
      for (const size_t q : {0U, 1500U, 2999U}) {
        const std::vector<Neighbor> found =
            SearchAll(*hnsw.index, base.view(q, q + 1), params)[0].neighbors;
        const std::vector<Neighbor> truth =
            testing::BruteForce(base.view(), base.row(q), Metric::kL2, k);
        ASSERT_EQ(found.size(), truth.size());
        EXPECT_EQ(found[0].distance, 0.0F);
        EXPECT_EQ(found[0].row, truth[0].row) << "ties go to the lowest row";
      }
    }
    // Each row can be had by filtering the others out, whichever of its equals became the node.
    for (size_t i = 0; i < 3000; i += 97) {
      std::vector<uint64_t> allowed(3000 / 64 + 1);
      allowed[i >> 6] = uint64_t{1} << (i & 63);
      SearchParams params;
      params.allowed = allowed.data();
      const std::vector<Neighbor> found =
          SearchAll(*hnsw.index, base.view(0, 1), params)[0].neighbors;
      ASSERT_EQ(found.size(), 1U);
      EXPECT_EQ(found[0].row, i);
    }
  }
}

TEST(HnswIndex, ReturnsOnlyAllowedOnesAmongDuplicates) {
  // 3,000 vectors four times over and a filter that takes each copy or not by lot.
  const Matrix pool = testing::ClusteredMatrix(kSeed, 3000, 10, 30);
  Matrix base{{}, 10};
  for (int copy = 0; copy < 4; ++copy) {
    base.values.insert(base.values.end(), pool.values.begin(), pool.values.end());
  }
  const Hnsw hnsw = BuildHnsw(base, SmallOptions(Metric::kL2));
  const std::vector<uint64_t> allowed = testing::RandomBitmap(kSeed, 12'000, 0.5);
  SearchParams params;
  params.allowed = allowed.data();
  params.k = 30;
  const std::vector<SearchOutcome> out = SearchAll(*hnsw.index, pool.view(0, 50), params);
  double recall = 0;
  for (size_t q = 0; q < 50; ++q) {
    ASSERT_EQ(out[q].neighbors.size(), 30U);
    for (const Neighbor& neighbor : out[q].neighbors) {
      ASSERT_TRUE(IsAllowed(allowed.data(), neighbor.row)) << neighbor.row;
    }
    recall += testing::Recall(
        out[q].neighbors,
        testing::BruteForce(base.view(), pool.row(q), Metric::kL2, 30, allowed.data()));
  }
  EXPECT_GE(recall / 50, 0.97);
}

TEST(HnswIndex, WalksThroughDuplicatesUnderAFilterThatAdmitsOnlyLaterOnes) {
  const Matrix pool = testing::ClusteredMatrix(kSeed, 3000, 10, 30);
  Matrix base = pool;
  base.values.insert(base.values.end(), pool.values.begin(), pool.values.end());
  const Hnsw hnsw = BuildHnsw(base, SmallOptions(Metric::kL2));
  std::vector<uint64_t> allowed((6000 + 63) / 64);
  for (size_t row = 3000; row < 6000; ++row) {
    allowed[row >> 6] |= uint64_t{1} << (row & 63);
  }
  SearchParams params;
  params.allowed = allowed.data();
  const std::vector<SearchOutcome> out = SearchAll(*hnsw.index, pool.view(0, 50), params);
  double recall = 0;
  for (size_t q = 0; q < 50; ++q) {
    recall += testing::Recall(
        out[q].neighbors,
        testing::BruteForce(base.view(), pool.row(q), Metric::kL2, 10, allowed.data()));
  }
  EXPECT_GE(recall / 50, 0.97);
}

TEST(HnswIndex, FindsRowsByThemselves) {
  for (const bool sorted : {false, true}) {
    Matrix base = testing::ClusteredMatrix(kSeed, 6000, 16, 80);
    if (sorted) {  // the worst order to insert in: cluster after cluster
      std::vector<size_t> order(base.rows());
      std::iota(order.begin(), order.end(), 0);
      std::sort(order.begin(), order.end(),
                [&](size_t a, size_t b) { return base.row(a)[0] < base.row(b)[0]; });
      Matrix ordered{{}, 16};
      for (const size_t row : order) {
        ordered.values.insert(ordered.values.end(), base.row(row), base.row(row) + 16);
      }
      base = ordered;
    }
    const Hnsw hnsw = BuildHnsw(base, SmallOptions(Metric::kL2));
    const std::vector<SearchOutcome> out = SearchAll(*hnsw.index, base.view(), {});
    size_t found = 0;
    for (size_t row = 0; row < base.rows(); ++row) {
      found += out[row].neighbors[0].row == row ? 1U : 0U;
    }
    EXPECT_GE(static_cast<double>(found) / 6000, 0.995) << "sorted " << sorted;
  }
}

// ---- Refusals ----

TEST(HnswIndex, RefusesBadOptionsByName) {
  const Matrix base = testing::IntegerMatrix(kSeed, 10, 4);
  const auto build = [&](auto change) {
    BuildOptions options;
    change(&options);
    return HnswIndexFactory().Build(base.view(), options);
  };
  const auto invalid = [](const char* field) {
    return StatusIs(StatusCode::kInvalidArgument, field);
  };
  EXPECT_THAT(build([](BuildOptions* o) { o->m = 1; }), invalid("field=m"));
  EXPECT_THAT(build([](BuildOptions* o) { o->m = 257; }), invalid("field=m"));
  EXPECT_THAT(build([](BuildOptions* o) { o->ef_construction = 0; }), invalid("ef_construction"));
  EXPECT_THAT(build([](BuildOptions* o) { o->ef_construction = 10'001; }),
              invalid("ef_construction"));
  EXPECT_THAT(build([](BuildOptions* o) { o->codes = CodeType::kPq4; }),
              StatusIs(StatusCode::kUnimplemented, "pq4"));
  EXPECT_THAT(build([](BuildOptions* o) { o->codes = CodeType::kRabitq; }),
              StatusIs(StatusCode::kUnimplemented, "rabitq"));
  EXPECT_OK(build([](BuildOptions* o) { o->m = 2; }));
  EXPECT_OK(build([](BuildOptions* o) { o->m = 256; }));
  BuildOptions options;
  EXPECT_THAT(HnswIndexFactory().Build({base.values.data(), size_t{1} << 31, 4}, options),
              invalid("vectors.rows"));
}

TEST(HnswIndex, StopsWhenCancelledOrLate) {
  const Matrix base = testing::ClusteredMatrix(kSeed, 3000, 8, 20);
  const Hnsw hnsw = BuildHnsw(base, SmallOptions(Metric::kL2));
  CancelToken token;
  token.Cancel();
  BuildOptions options = SmallOptions(Metric::kL2);
  options.control.cancel = &token;
  EXPECT_THAT(HnswIndexFactory().Build(base.view(), options), StatusIs(StatusCode::kCancelled));
  SearchParams params;
  params.control.cancel = &token;
  std::vector<SearchOutcome> out(1);
  EXPECT_THAT(hnsw.index->Search(base.view(0, 1), params, out), StatusIs(StatusCode::kCancelled));
}

TEST(HnswIndex, LooksAtItsDeadlineEvery1024DistancesInEveryPlan) {
  const Matrix base = testing::ClusteredMatrix(kSeed, 20'000, 8, 20);
  BuildOptions options = SmallOptions(Metric::kL2);
  options.ef_construction = 20;
  const Hnsw hnsw = BuildHnsw(base, options);
  const std::vector<uint64_t> most = testing::RandomBitmap(kSeed, 20'000, 0.9);
  SearchParams params;
  params.ef_search = 1500;
  for (const bool scan : {false, true}) {
    for (const uint64_t* allowed : {static_cast<const uint64_t*>(nullptr), most.data()}) {
      params.allowed = allowed;
      params.k = scan ? 12'000 : 10;  // a candidate list this long costs more than a scan
      testing::LookCountingClock clock;
      params.control.clock = &clock;
      params.control.deadline_nanos = 1'000'000;
      std::vector<SearchOutcome> out(1);
      ASSERT_OK(hnsw.index->Search(base.view(0, 1), params, out));
      const auto distances = static_cast<int64_t>(out[0].stats.distances);
      EXPECT_GT(distances, 2200);
      EXPECT_GE(clock.looks(), distances / (1024 + 16));
      params.control.deadline_nanos = clock.looks() + 1;
      EXPECT_THAT(hnsw.index->Search(base.view(0, 1), params, out),
                  StatusIs(StatusCode::kDeadlineExceeded));
    }
  }
}

TEST(HnswIndex, StaysDefinedForValuesTheEngineWouldRefuse) {
  Matrix base = testing::GaussianMatrix(kSeed, 500, 8);
  for (size_t i = 0; i < base.values.size(); i += 37) {
    base.values[i] = i % 2 == 0 ? std::numeric_limits<float>::quiet_NaN() : 3e38F;
  }
  for (const Metric metric : kMetrics) {
    const Hnsw hnsw = BuildHnsw(base, SmallOptions(metric));
    EXPECT_EQ(SearchAll(*hnsw.index, base.view(), {}).size(), 500U);
  }
}

}  // namespace
}  // namespace leadline::index
