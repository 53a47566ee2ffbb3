// Graphs that are built and searched on codes of rows: what hnsw_test asks of full precision, and
// what only codes can get wrong.

#include <algorithm>
#include <cstring>
#include <utility>

#include <gtest/gtest.h>

#include "built_hnsw.h"
#include "counting_row_check.h"
#include "index_test_data.h"
#include "leadline/core/hash.h"
#include "leadline/index/flat.h"
#include "leadline/index/hnsw.h"
#include "leadline/index/scan.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using leadline::testing::StatusIs;
using testing::BuildHnsw;
using testing::Hnsw;
using testing::MappedSections;
using testing::Matrix;
using testing::SearchAll;

constexpr uint64_t kSeed = 2718;
constexpr Metric kMetrics[] = {Metric::kL2, Metric::kInnerProduct, Metric::kCosine};

class HnswCodesTest : public ::testing::TestWithParam<CodeType> {
 protected:
  static BuildOptions Options(Metric metric = Metric::kL2) {
    BuildOptions options;
    options.metric = metric;
    options.codes = GetParam();
    options.m = 8;
    options.ef_construction = 60;
    return options;
  }

  /// Candidates that are rescored by default.
  static size_t DefaultRescore(size_t k) {
    return GetParam() == CodeType::kSq4 ? 3 * k : (3 * k + 1) / 2;
  }
};

TEST_P(HnswCodesTest, FindsNearlyAllNeighboursWithTheDistancesOfTheExactScan) {
  for (const Metric metric : kMetrics) {
    Matrix base = testing::ClusteredMatrix(kSeed, 3000, 24, 60);
    Matrix queries = testing::ClusteredMatrix(kSeed + 9, 60, 24, 60);
    if (metric == Metric::kCosine) {
      testing::NormalizeRows(&base);
      testing::NormalizeRows(&queries);
    }
    const Hnsw hnsw = BuildHnsw(base, Options(metric));
    ASSERT_EQ(hnsw.built.size(), GetParam() == CodeType::kPca8 ? 3U : 2U);
    EXPECT_EQ(hnsw.built[1].type, kHnswCodesSection);
    ASSERT_OK_AND_ASSIGN(auto flat, FlatIndexFactory().Open({}, base.view(), metric));
    const std::vector<SearchOutcome> found = SearchAll(*hnsw.index, queries.view(), {});
    const std::vector<SearchOutcome> exact = SearchAll(*flat, queries.view(), {});
    double recall = 0;
    for (size_t q = 0; q < queries.rows(); ++q) {
      recall += testing::Recall(found[q].neighbors, exact[q].neighbors);
      ASSERT_EQ(found[q].neighbors.size(), 10U);
      EXPECT_TRUE(std::is_sorted(found[q].neighbors.begin(), found[q].neighbors.end()));
      EXPECT_EQ(found[q].stats.rescored, DefaultRescore(10));
      EXPECT_GT(found[q].stats.distances, found[q].stats.rescored);
      for (const Neighbor& neighbor : found[q].neighbors) {
        TopK one(1);
        const uint32_t row[] = {neighbor.row};
        ASSERT_OK(ScanList(base.view(), queries.view().row(q), metric, row, {}, &one, nullptr));
        EXPECT_EQ(one.Take()[0], neighbor) << "distance differs from the scan's in some bit";
      }
    }
    EXPECT_GE(recall / 60, metric == Metric::kInnerProduct ? 0.8 : 0.95)
        << MetricName(metric) << " recall " << recall / 60 << " seed " << kSeed;
  }
}

TEST_P(HnswCodesTest, ExactSearchGoesByCodesWhereTheyPay) {
  constexpr size_t kMany = 17'000;
  const Matrix base = testing::ClusteredMatrix(kSeed, kMany, 12, 30);
  BuildOptions options = Options();
  options.m = 4;
  options.ef_construction = 8;
  const Hnsw hnsw = BuildHnsw(base, options);
  const CodeType codes = GetParam() == CodeType::kPca8 ? CodeType::kSq8 : GetParam();
  EXPECT_EQ(hnsw.index->scan_codes(), codes);
  EXPECT_EQ(hnsw.index->ScanCodesFor(kMany), codes);
  const bool many = codes == CodeType::kSq4;
  EXPECT_EQ(hnsw.index->ScanCodesFor(1000), many ? CodeType::kF32 : codes);
  const std::vector<uint64_t> few = testing::RandomBitmap(kSeed, kMany, 0.05);
  for (const uint64_t* allowed : {static_cast<const uint64_t*>(nullptr), few.data()}) {
    SearchParams params;
    params.allowed = allowed;
    params.allowed_count = allowed == nullptr ? kMany : testing::CountBits(few, kMany);
    std::vector<SearchOutcome> out(20);
    ASSERT_OK(hnsw.index->SearchExact(base.view(0, 20), params, out));
    for (size_t q = 0; q < out.size(); ++q) {
      TopK truth(params.k);
      ASSERT_OK(
          ScanRows(base.view(), base.view().row(q), Metric::kL2, allowed, 0, {}, &truth, nullptr));
      EXPECT_EQ(out[q].neighbors, truth.Take()) << q;
      EXPECT_EQ(out[q].stats.rescored > 0, allowed == nullptr || !many) << q;
    }
    const testing::CountingRowCheck check;
    params.row_check = &check;
    ASSERT_OK(hnsw.index->SearchExact(base.view(0, 1), params, {out.data(), 1}));
    EXPECT_EQ(check.asked(), out[0].stats.rescored) << "what is asked for is what is read";
    EXPECT_GT(check.asked(), 0U);
  }
}

TEST_P(HnswCodesTest, BuildsTheSameBytesOnAnyNumberOfThreads) {
  const Matrix base = testing::ClusteredMatrix(kSeed, 6000, 16, 30);
  BuildOptions options = Options();
  const Hnsw alone = BuildHnsw(base, options);
  for (const size_t threads : {2U, 5U}) {
    const auto pool = NewThreadPool(threads);
    options.executor = pool.get();
    const Hnsw pooled = BuildHnsw(base, options);
    for (size_t section = 0; section < alone.built.size(); ++section) {
      EXPECT_EQ(pooled.built[section].bytes, alone.built[section].bytes) << threads << " threads";
    }
  }
}

TEST_P(HnswCodesTest, AnswersDoNotDependOnTheBatchSplit) {
  const Matrix base = testing::ClusteredMatrix(kSeed, 3000, 16, 30);
  const Matrix queries = testing::ClusteredMatrix(kSeed + 1, 20, 16, 30);
  const Hnsw hnsw = BuildHnsw(base, Options());
  const std::vector<uint64_t> allowed = testing::RandomBitmap(kSeed, 3000, 0.6);
  for (const uint64_t* filter : {static_cast<const uint64_t*>(nullptr), allowed.data()}) {
    SearchParams params;
    params.allowed = filter;
    params.ef_search = 20;
    params.never_scan_instead = true;
    const std::vector<SearchOutcome> together = SearchAll(*hnsw.index, queries.view(), params);
    for (size_t q = queries.rows(); q-- > 0;) {
      const SearchOutcome alone = SearchAll(*hnsw.index, queries.view(q, q + 1), params)[0];
      EXPECT_EQ(alone.neighbors, together[q].neighbors);
      EXPECT_EQ(alone.stats.distances, together[q].stats.distances);
      EXPECT_EQ(alone.stats.hops, together[q].stats.hops);
    }
  }
}

TEST_P(HnswCodesTest, RescoresAsManyAsAskedForButAtLeastKAndAtMostThePool) {
  const Matrix base = testing::ClusteredMatrix(kSeed, 3000, 16, 30);
  const Hnsw hnsw = BuildHnsw(base, Options());
  const auto rescored = [&](size_t k, size_t ef, size_t rescore) {
    SearchParams params;
    params.k = k;
    params.ef_search = ef;
    params.rescore = rescore;
    params.never_scan_instead = true;
    const SearchOutcome out = SearchAll(*hnsw.index, base.view(7, 8), params)[0];
    EXPECT_EQ(out.neighbors.size(), k);
    EXPECT_EQ(out.neighbors[0].row, 7U);
    return out.stats.rescored;
  };
  EXPECT_EQ(rescored(10, 64, 0), DefaultRescore(10));
  EXPECT_EQ(rescored(10, 12, 0), 12U);
  EXPECT_EQ(rescored(50, 60, 1), 50U) << "fewer than k";
  EXPECT_EQ(rescored(10, 64, 40), 40U);
  EXPECT_EQ(rescored(10, 64, 5000), 64U);
  EXPECT_EQ(rescored(1, 1, 0), 1U);
}

TEST_P(HnswCodesTest, ReturnsKAllowedRowsAtAnySelectivity) {
  const Matrix base = testing::ClusteredMatrix(kSeed, 6000, 12, 100);
  const Matrix queries = testing::ClusteredMatrix(kSeed + 1, 20, 12, 100);
  const Hnsw hnsw = BuildHnsw(base, Options());
  for (const double share : {1.0, 0.9, 0.5, 0.1, 0.01, 0.001, 0.0}) {
    const std::vector<uint64_t> allowed = testing::RandomBitmap(kSeed, 6000, share);
    const size_t matches = testing::CountBits(allowed, 6000);
    SearchParams params;
    params.allowed = allowed.data();
    params.ef_search = 60;
    for (const bool walk : {false, true}) {
      params.never_scan_instead = walk;
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
      }
      EXPECT_GE(recall / 20, 0.93) << "share " << share << " walk " << walk;
    }
  }
}

TEST_P(HnswCodesTest, FindsEveryRowAmongHeavyDuplicates) {
  Rng rng(kSeed);
  const Matrix pool = testing::GaussianMatrix(kSeed, 300, 10);
  Matrix base{{}, 10};
  for (size_t i = 0; i < 3000; ++i) {
    const float* row = pool.row(i < 300 ? i : rng.Uniform(300));
    base.values.insert(base.values.end(), row, row + 10);
  }
  const Hnsw hnsw = BuildHnsw(base, Options());
  const std::vector<uint64_t> allowed = testing::RandomBitmap(kSeed, 3000, 0.5);
  for (const uint64_t* filter : {static_cast<const uint64_t*>(nullptr), allowed.data()}) {
    for (const size_t k : {1U, 10U, 200U}) {
      SearchParams params;
      params.k = k;
      params.allowed = filter;
      params.never_scan_instead = true;
      for (const size_t q : {0U, 1500U, 2999U}) {
        const std::vector<Neighbor> found =
            SearchAll(*hnsw.index, base.view(q, q + 1), params)[0].neighbors;
        EXPECT_GE(testing::Recall(
                      found, testing::BruteForce(base.view(), base.row(q), Metric::kL2, k, filter)),
                  k == 200 ? 0.95 : 1.0)
            << "k " << k << " row " << q;
      }
    }
  }
}

TEST_P(HnswCodesTest, ServesSegmentsOfAnySmallSize) {
  for (const size_t rows : {0U, 1U, 2U, 3U, 17U, 65U}) {
    Matrix base = testing::IntegerMatrix(kSeed + rows, rows, 5);
    base.dim = 5;
    const Hnsw hnsw = BuildHnsw(base, Options());
    const Matrix query = testing::IntegerMatrix(kSeed, 1, 5);
    EXPECT_EQ(SearchAll(*hnsw.index, query.view(), {})[0].neighbors,
              testing::BruteForce(base.view(), query.row(0), Metric::kL2, 10));
  }
}

/// Share of the true ten that a walk with ef 100 finds for the first 40 rows.
double RecallOfRows(const Hnsw& hnsw, const Matrix& base, Metric metric) {
  SearchParams params;
  params.ef_search = 100;
  params.never_scan_instead = true;
  const std::vector<SearchOutcome> out = SearchAll(*hnsw.index, base.view(0, 40), params);
  double recall = 0;
  for (size_t q = 0; q < 40; ++q) {
    const std::vector<Neighbor> truth = testing::BruteForce(base.view(), base.row(q), metric, 10);
    EXPECT_EQ(out[q].neighbors.size(), 10U);
    recall += testing::Recall(out[q].neighbors, truth);
  }
  return recall / 40;
}

TEST_P(HnswCodesTest, InnerProductFindsLongRowsAmongShortOnes) {
  Matrix base = testing::ClusteredMatrix(kSeed, 2000, 16, 20);
  for (size_t row = 0; row < base.rows(); ++row) {
    const float length = row % 10 == 0 ? 30.0F : 0.1F;
    for (size_t i = 0; i < 16; ++i) {
      base.values[row * 16 + i] *= length;
    }
  }
  const Hnsw hnsw = BuildHnsw(base, Options(Metric::kInnerProduct));
  EXPECT_GE(RecallOfRows(hnsw, base, Metric::kInnerProduct), 0.9);
}

TEST_P(HnswCodesTest, ExtremeValuesKeepTheirNeighbours) {
  const Matrix normal = testing::ClusteredMatrix(kSeed, 1500, 16, 20);
  for (const float factor : {1e-42F, 1e-20F, 1e15F}) {
    Matrix base = normal;
    for (float& value : base.values) {
      value *= factor;
    }
    const Hnsw hnsw = BuildHnsw(base, Options());
    const double recall = RecallOfRows(hnsw, base, Metric::kL2);
    // Squares of the smallest values vanish: all rows are equally near and any ten are right.
    if (factor > 1e-18F) {
      EXPECT_GE(recall, 0.9) << factor;
    }
  }
  Matrix mixed = normal;
  const float values[] = {0.0F, 1e-44F, -1.0F, 7.0F, kMaxComponent, -kMaxComponent};
  for (size_t i = 0; i < std::size(values); ++i) {
    std::fill_n(mixed.values.begin() + static_cast<std::ptrdiff_t>(i * 250 * 16), 16, values[i]);
  }
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    const Hnsw hnsw = BuildHnsw(mixed, Options(metric));
    for (const SearchOutcome& out : SearchAll(*hnsw.index, mixed.view(0, 400), {})) {
      EXPECT_EQ(out.neighbors.size(), 10U);
    }
  }
  const Matrix constant{std::vector<float>(size_t{500} * 16, 3.0F), 16};
  const Hnsw equal = BuildHnsw(constant, Options());
  EXPECT_EQ(SearchAll(*equal.index, constant.view(0, 1), {})[0].neighbors,
            testing::BruteForce(constant.view(), constant.row(0), Metric::kL2, 10));
}

TEST_P(HnswCodesTest, StopsWhenCancelledOrLate) {
  const Matrix base = testing::ClusteredMatrix(kSeed, 3000, 8, 20);
  const Hnsw hnsw = BuildHnsw(base, Options());
  CancelToken token;
  token.Cancel();
  BuildOptions options = Options();
  options.control.cancel = &token;
  EXPECT_THAT(HnswIndexFactory().Build(base.view(), options), StatusIs(StatusCode::kCancelled));
  testing::LookCountingClock clock;
  SearchParams params;
  params.ef_search = 1000;
  params.never_scan_instead = true;
  params.control.clock = &clock;
  params.control.deadline_nanos = 1'000'000;
  std::vector<SearchOutcome> out(1);
  ASSERT_OK(hnsw.index->Search(base.view(0, 1), params, out));
  EXPECT_GE(clock.looks(), static_cast<int64_t>(out[0].stats.distances) / (1024 + 16));
  params.control.deadline_nanos = clock.looks() + 1;
  EXPECT_THAT(hnsw.index->Search(base.view(0, 1), params, out),
              StatusIs(StatusCode::kDeadlineExceeded));
}

// Whole numbers have exact distances, so nothing here may depend on the level of instructions: the
// runs of this test at each level compare with one another through these numbers. Sums of bf16 are
// rounded.
TEST(HnswCodes, EveryLevelBuildsAndAnswersAlike) {
  const Matrix base = testing::IntegerMatrix(kSeed, 1500, 24, 100);
  const Matrix queries = testing::IntegerMatrix(kSeed + 1, 50, 24, 100);
  for (const auto& [codes, expected] :
       {std::pair<CodeType, uint64_t>{CodeType::kSq8, 1588067806773955710U},
        {CodeType::kSq4, 5745638386970697094U}}) {
    BuildOptions options;
    options.codes = codes;
    options.m = 8;
    options.ef_construction = 60;
    const Hnsw hnsw = BuildHnsw(base, options);
    SearchParams params;
    params.never_scan_instead = true;
    std::string answers = hnsw.built[0].bytes;
    for (const SearchOutcome& out : SearchAll(*hnsw.index, queries.view(), params)) {
      for (const Neighbor& neighbor : out.neighbors) {
        answers.append(std::to_string(neighbor.row)).append(" ");
      }
      answers.append(std::to_string(out.stats.distances)).append("\n");
    }
    EXPECT_EQ(Hash64(answers.data(), answers.size()), expected) << CodeTypeName(codes);
  }
}

// ---- Sections that do not belong together ----

class HnswCodesDamageTest : public HnswCodesTest {
 protected:
  HnswCodesDamageTest()
      : base_(testing::GaussianMatrix(kSeed, 200, 8)), built_(BuildHnsw(base_, Options()).built) {}

  [[nodiscard]] Status Open(const std::vector<Section>& sections) const {
    const MappedSections mapped(sections);
    return HnswIndexFactory().Open(mapped.views(), base_.view(), Metric::kL2).status();
  }

  Matrix base_;
  std::vector<Section> built_;
};

TEST_P(HnswCodesDamageTest, RefusesCodesThatAreMissingOrNotThoseOfTheGraph) {
  EXPECT_OK(Open(built_));
  std::vector<Section> some(built_.rbegin(), built_.rend());
  EXPECT_OK(Open(some));
  some = built_;
  some.erase(some.begin() + 1);
  EXPECT_THAT(Open(some), StatusIs(StatusCode::kDataLoss, "type=48"));
  EXPECT_THAT(Open({built_[1]}), StatusIs(StatusCode::kDataLoss, "type=32"));
  BuildOptions other = Options();
  other.codes = GetParam() == CodeType::kSq8 ? CodeType::kSq4 : CodeType::kSq8;
  // The codes below axes are sq8 too.
  other.codes = GetParam() == CodeType::kPca8 ? CodeType::kBf16 : other.codes;
  some = built_;
  some[1] = BuildHnsw(base_, other).built[1];
  EXPECT_THAT(Open(some), StatusIs(StatusCode::kDataLoss, "names"));
  other.codes = CodeType::kF32;
  const std::vector<Section> plain = BuildHnsw(base_, other).built;
  EXPECT_EQ(plain.size(), 1U);
  EXPECT_THAT(Open({plain[0], built_[1]}), StatusIs(StatusCode::kDataLoss, "type=48"));
  const Matrix more = testing::GaussianMatrix(kSeed, 201, 8);
  some[1] = BuildHnsw(more, Options()).built[1];
  EXPECT_THAT(Open(some), StatusIs(StatusCode::kDataLoss, "rows=201"));
}

TEST_P(HnswCodesDamageTest, RefusesEveryTruncationAndSurvivesFlippedBits) {
  std::vector<Section> changed = built_;
  std::string& bytes = changed[1].bytes;
  for (size_t size = 0; size < built_[1].bytes.size(); size += size < 200 ? 1 : 37) {
    bytes = built_[1].bytes.substr(0, size);
    EXPECT_THAT(Open(changed), StatusIs(StatusCode::kDataLoss)) << size;
  }
  for (size_t bit = 0; bit < built_[1].bytes.size() * 8; bit += bit < 2000 ? 1 : 61) {
    bytes = built_[1].bytes;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    const MappedSections mapped(changed);
    const auto index = HnswIndexFactory().Open(mapped.views(), base_.view(), Metric::kL2);
    if (!index.ok()) {
      EXPECT_TRUE(index.status().code() == StatusCode::kDataLoss ||
                  index.status().code() == StatusCode::kUnimplemented)
          << bit;
      continue;
    }
    SearchParams params;
    params.k = 3;
    params.never_scan_instead = true;
    const SearchOutcome out = SearchAll(**index, base_.view(0, 1), params)[0];
    ASSERT_EQ(out.neighbors.size(), 3U);
    for (const Neighbor& neighbor : out.neighbors) {
      ASSERT_LT(neighbor.row, base_.rows());
    }
  }
}

TEST_P(HnswCodesDamageTest, RefusesEveryOtherWordForTheCodesInTheGraph) {
  constexpr size_t kCodesAt = 96;
  for (const uint32_t value : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U, 9U, 0x104U, 0xFFFFFFFFU}) {
    std::vector<Section> changed = built_;
    std::memcpy(changed[0].bytes.data() + kCodesAt, &value, sizeof value);
    if (value == static_cast<uint32_t>(GetParam())) {
      EXPECT_OK(Open(changed));
    } else {
      EXPECT_THAT(Open(changed), StatusIs(StatusCode::kDataLoss)) << value;
    }
  }
}

constexpr CodeType kCodes[] = {CodeType::kSq8, CodeType::kSq4, CodeType::kBf16, CodeType::kPca8};

std::string NameOf(const ::testing::TestParamInfo<CodeType>& tested) {
  return std::string(CodeTypeName(tested.param));
}

INSTANTIATE_TEST_SUITE_P(Codes, HnswCodesTest, ::testing::ValuesIn(kCodes), NameOf);
INSTANTIATE_TEST_SUITE_P(Codes, HnswCodesDamageTest, ::testing::ValuesIn(kCodes), NameOf);

}  // namespace
}  // namespace leadline::index
