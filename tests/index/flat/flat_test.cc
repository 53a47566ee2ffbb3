#include "leadline/index/flat.h"

#include <bit>
#include <limits>

#include <faiss/IndexFlat.h>
#include <gtest/gtest.h>

#include "index_test_data.h"
#include "leadline/index/scan.h"
#include "leadline/simd/distance.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using leadline::testing::StatusIs;
using testing::BruteForce;
using testing::Matrix;

constexpr uint64_t kSeed = 424242;
constexpr Metric kMetrics[] = {Metric::kL2, Metric::kInnerProduct, Metric::kCosine};

std::unique_ptr<SegmentIndex> OpenFlat(MatrixView vectors, Metric metric) {
  Result<std::unique_ptr<SegmentIndex>> index = FlatIndexFactory().Open({}, vectors, metric);
  EXPECT_OK(index);
  return index.ok() ? std::move(index).value() : nullptr;
}

std::vector<SearchOutcome> SearchAll(const SegmentIndex& index, MatrixView queries,
                                     const SearchParams& params) {
  std::vector<SearchOutcome> out(queries.rows);
  EXPECT_OK(index.Search(queries, params, out));
  return out;
}

// ---- Model: random shapes against the definition, exact to the bit and to the tie ----

TEST(FlatIndex, EqualsBruteForceOverRandomShapesFiltersAndMetrics) {
  Rng rng(kSeed);
  for (int round = 0; round < 120; ++round) {
    const size_t rows = rng.Uniform(round % 10 == 0 ? 2500 : 200);
    const size_t dim = 1 + rng.Uniform(40);
    const Metric metric = kMetrics[rng.Uniform(3)];
    SearchParams params;
    params.k = 1 + rng.Uniform(rows + 10);
    const Matrix base = testing::IntegerMatrix(rng.Next(), rows, dim);
    const Matrix queries = testing::IntegerMatrix(rng.Next(), 1 + rng.Uniform(5), dim);
    const std::vector<uint64_t> allowed =
        testing::RandomBitmap(rng.Next(), rows, rng.UniformDouble());
    params.allowed = rng.Uniform(2) == 0 ? nullptr : allowed.data();
    const MatrixView vectors{base.values.data(), rows, dim};
    const auto index = OpenFlat(vectors, metric);
    const std::vector<SearchOutcome> out = SearchAll(*index, queries.view(), params);
    for (size_t q = 0; q < queries.rows(); ++q) {
      EXPECT_EQ(out[q].neighbors,
                BruteForce(vectors, queries.row(q), metric, params.k, params.allowed))
          << "seed " << kSeed << " round " << round << " query " << q;
      EXPECT_EQ(out[q].stats.distances,
                params.allowed == nullptr ? rows : testing::CountBits(allowed, rows));
    }
  }
}

TEST(ScanRows, InPartsEqualsBruteForceOverTheWhole) {
  Rng rng(kSeed);
  for (int round = 0; round < 60; ++round) {
    const size_t rows = 1 + rng.Uniform(3000);
    const size_t dim = 1 + rng.Uniform(20);
    const Metric metric = kMetrics[rng.Uniform(3)];
    const size_t k = 1 + rng.Uniform(30);
    const Matrix base = testing::IntegerMatrix(rng.Next(), rows, dim);
    const Matrix query = testing::IntegerMatrix(rng.Next(), 1, dim);
    const std::vector<uint64_t> allowed = testing::RandomBitmap(rng.Next(), rows, 0.5);
    const size_t part = 64 * (1 + rng.Uniform(20));
    TopK top(k);
    SearchStats stats;
    for (size_t begin = 0; begin < rows; begin += part) {
      ASSERT_OK(ScanRows(base.view(begin, std::min(rows, begin + part)), query.view().row(0),
                         metric, allowed.data() + begin / 64, static_cast<uint32_t>(begin), {},
                         &top, &stats));
    }
    EXPECT_EQ(top.Take(), BruteForce(base.view(), query.row(0), metric, k, allowed.data()))
        << "seed " << kSeed << " round " << round;
    EXPECT_EQ(stats.distances, testing::CountBits(allowed, rows));
  }
}

TEST(ScanList, EqualsBruteForceOverTheListedRowsInAnyOrder) {
  Rng rng(kSeed);
  for (int round = 0; round < 60; ++round) {
    const size_t rows = 1 + rng.Uniform(2000);
    const size_t dim = 1 + rng.Uniform(20);
    const Metric metric = kMetrics[rng.Uniform(3)];
    const Matrix base = testing::IntegerMatrix(rng.Next(), rows, dim);
    const Matrix query = testing::IntegerMatrix(rng.Next(), 1, dim);
    std::vector<uint64_t> allowed((rows + 63) / 64);
    std::vector<uint32_t> list;
    for (uint32_t i = 0; i < rows; ++i) {
      if (rng.Uniform(3) == 0) {
        allowed[i >> 6] |= uint64_t{1} << (i & 63);
        list.push_back(i);
      }
    }
    for (size_t i = list.size(); i > 1; --i) {
      std::swap(list[i - 1], list[rng.Uniform(i)]);
    }
    TopK top(7);
    SearchStats stats;
    ASSERT_OK(ScanList(base.view(), query.view().row(0), metric, list, {}, &top, &stats));
    EXPECT_EQ(top.Take(), BruteForce(base.view(), query.row(0), metric, 7, allowed.data()))
        << "seed " << kSeed << " round " << round;
    EXPECT_EQ(stats.distances, list.size());
  }
}

// ---- Oracle by others ----

TEST(FlatIndex, AgreesWithFaissOnRealValuedData) {
  const Matrix base = testing::GaussianMatrix(kSeed, 2000, 48);
  const Matrix queries = testing::GaussianMatrix(kSeed + 1, 20, 48);
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    faiss::IndexFlat oracle(48,
                            metric == Metric::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT);
    oracle.add(2000, base.values.data());
    std::vector<float> distances(20 * 10);
    std::vector<faiss::Index::idx_t> labels(20 * 10);
    oracle.search(20, queries.values.data(), 10, distances.data(), labels.data());
    const auto index = OpenFlat(base.view(), metric);
    const std::vector<SearchOutcome> out = SearchAll(*index, queries.view(), {});
    for (size_t q = 0; q < 20; ++q) {
      for (size_t i = 0; i < 10; ++i) {
        const float theirs = metric == Metric::kL2 ? distances[q * 10 + i] : -distances[q * 10 + i];
        EXPECT_EQ(out[q].neighbors[i].row, static_cast<uint32_t>(labels[q * 10 + i]));
        EXPECT_NEAR(out[q].neighbors[i].distance, theirs, 1e-4);
      }
    }
  }
}

// ---- Contract ----

TEST(FlatIndex, GivesTheBitsOfThePairKernelOnEveryPath) {
  for (const Metric metric : kMetrics) {
    Matrix base = testing::GaussianMatrix(kSeed, 333, 101);
    testing::NormalizeRows(&base);
    const Matrix queries = testing::GaussianMatrix(kSeed + 1, 3, 101);
    const simd::MetricDistance distance(metric, 101);
    const auto index = OpenFlat(base.view(), metric);
    SearchParams params;
    params.k = 333;
    const std::vector<SearchOutcome> out = SearchAll(*index, queries.view(), params);
    for (size_t q = 0; q < 3; ++q) {
      ASSERT_EQ(out[q].neighbors.size(), 333U);
      for (const Neighbor& found : out[q].neighbors) {
        EXPECT_EQ(std::bit_cast<uint32_t>(found.distance),
                  std::bit_cast<uint32_t>(distance.Pair(queries.row(q), base.row(found.row))));
      }
      std::vector<uint32_t> odd;
      for (uint32_t i = 1; i < 333; i += 2) {
        odd.push_back(i);
      }
      TopK top(400);
      ASSERT_OK(ScanList(base.view(), queries.view().row(q), metric, odd, {}, &top, nullptr));
      for (const Neighbor& found : top.Take()) {
        EXPECT_NE(std::find(out[q].neighbors.begin(), out[q].neighbors.end(), found),
                  out[q].neighbors.end());
      }
    }
  }
}

TEST(FlatIndex, AnswersDoNotDependOnTheBatchSplit) {
  const Matrix base = testing::GaussianMatrix(kSeed, 5000, 30);
  const Matrix queries = testing::GaussianMatrix(kSeed + 1, 17, 30);
  const auto index = OpenFlat(base.view(), Metric::kL2);
  const std::vector<SearchOutcome> together = SearchAll(*index, queries.view(), {});
  for (size_t q = 0; q < 17; ++q) {
    const std::vector<SearchOutcome> alone = SearchAll(*index, queries.view(q, q + 1), {});
    EXPECT_EQ(alone[0].neighbors, together[q].neighbors);
    EXPECT_EQ(alone[0].stats.distances, together[q].stats.distances);
  }
}

TEST(FlatIndex, BuildReturnsNoSectionsAndOpenIgnoresForeignOnes) {
  const Matrix base = testing::IntegerMatrix(kSeed, 10, 4);
  ASSERT_OK_AND_ASSIGN(std::vector<Section> sections, FlatIndexFactory().Build(base.view(), {}));
  EXPECT_TRUE(sections.empty());
  const SectionView foreign[] = {{99, "not for this kind"}};
  ASSERT_OK_AND_ASSIGN(auto index, FlatIndexFactory().Open(foreign, base.view(), Metric::kL2));
  EXPECT_EQ(index->rows(), 10U);
  EXPECT_EQ(index->kind(), IndexKind::kFlat);
  EXPECT_TRUE(index->exact());
}

TEST(FlatIndex, AnswersAlikeWithAnyCodes) {
  Matrix base = testing::GaussianMatrix(kSeed, 3000, 72);
  Matrix queries = testing::GaussianMatrix(kSeed + 1, 50, 72);
  testing::NormalizeRows(&base);
  testing::NormalizeRows(&queries);
  const std::vector<uint64_t> allowed = testing::RandomBitmap(kSeed, 3000, 0.3);
  for (const Metric metric : kMetrics) {
    const auto plain = OpenFlat(base.view(), metric);
    for (const CodeType codes : {CodeType::kSq8, CodeType::kSq4, CodeType::kBf16}) {
      BuildOptions options;
      options.metric = metric;
      options.codes = codes;
      ASSERT_OK_AND_ASSIGN(const std::vector<Section> sections,
                           FlatIndexFactory().Build(base.view(), options));
      ASSERT_EQ(sections.size(), 1U);
      const testing::MappedSections mapped(sections);
      ASSERT_OK_AND_ASSIGN(const auto coded,
                           FlatIndexFactory().Open(mapped.views(), base.view(), metric));
      EXPECT_EQ(coded->scan_codes(), codes);
      EXPECT_TRUE(coded->exact());
      SearchParams params;
      for (const uint64_t* filter : {static_cast<const uint64_t*>(nullptr), allowed.data()}) {
        params.allowed = filter;
        const std::vector<SearchOutcome> truth = SearchAll(*plain, queries.view(), params);
        const std::vector<SearchOutcome> together = SearchAll(*coded, queries.view(), params);
        for (size_t q = 0; q < queries.rows(); ++q) {
          EXPECT_EQ(together[q].neighbors, truth[q].neighbors) << CodeTypeName(codes) << " " << q;
          EXPECT_EQ(SearchAll(*coded, queries.view(q, q + 1), params)[0].neighbors,
                    truth[q].neighbors)
              << CodeTypeName(codes) << " " << q;
        }
      }
    }
  }
}

TEST(FlatIndex, RefusesCodesWithoutBounds) {
  const Matrix base = testing::GaussianMatrix(kSeed, 10, 16);
  for (const CodeType codes : {CodeType::kSq8, CodeType::kSq4, CodeType::kBf16}) {
    BuildOptions options;
    options.codes = codes;
    ASSERT_OK_AND_ASSIGN(std::vector<Section> sections,
                         FlatIndexFactory().Build(base.view(), options));
    // As version 2 wrote them.
    sections[0].bytes[0] = 2;
    if (codes != CodeType::kSq8) {
      std::fill_n(sections[0].bytes.begin() + 20, 8, '\0');
    }
    const testing::MappedSections mapped(sections);
    EXPECT_EQ(FlatIndexFactory().Open(mapped.views(), base.view(), Metric::kL2).status().code(),
              codes == CodeType::kSq8 ? StatusCode::kOk : StatusCode::kDataLoss)
        << CodeTypeName(codes);
  }
}

TEST(FlatIndex, SearchesAnEmptySegment) {
  const auto index = OpenFlat({nullptr, 0, 8}, Metric::kCosine);
  const Matrix query = testing::IntegerMatrix(kSeed, 1, 8);
  EXPECT_TRUE(SearchAll(*index, query.view(), {})[0].neighbors.empty());
}

// ---- Hostile input ----

TEST(FlatIndex, RefusesBadShapesAndParametersByName) {
  const Matrix base = testing::IntegerMatrix(kSeed, 10, 4);
  const IndexFactory& factory = FlatIndexFactory();
  EXPECT_THAT(factory.Open({}, {base.values.data(), 10, 0}, Metric::kL2),
              StatusIs(StatusCode::kInvalidArgument, "vectors.dim"));
  EXPECT_THAT(factory.Open({}, {base.values.data(), 10, kMaxDim + 1}, Metric::kL2),
              StatusIs(StatusCode::kInvalidArgument, "vectors.dim"));
  EXPECT_THAT(factory.Open({}, {nullptr, 10, 4}, Metric::kL2),
              StatusIs(StatusCode::kInvalidArgument, "vectors.data"));
  EXPECT_THAT(factory.Open({}, {base.values.data(), size_t{1} << 32, 4}, Metric::kL2),
              StatusIs(StatusCode::kInvalidArgument, "vectors.rows"));
  BuildOptions options;
  options.codes = CodeType::kPq4;
  EXPECT_THAT(factory.Build(base.view(), options), StatusIs(StatusCode::kUnimplemented, "pq4"));

  const auto index = OpenFlat(base.view(), Metric::kL2);
  std::vector<SearchOutcome> out(1);
  SearchParams params;
  EXPECT_THAT(index->Search({base.values.data(), 1, 3}, params, out),
              StatusIs(StatusCode::kInvalidArgument, "queries.dim"));
  EXPECT_THAT(index->Search({base.values.data(), 2, 4}, params, out),
              StatusIs(StatusCode::kInvalidArgument, "out.size"));
  for (const size_t k : {size_t{0}, kMaxTopK + 1, std::numeric_limits<size_t>::max()}) {
    params.k = k;
    EXPECT_THAT(index->Search(base.view(0, 1), params, out),
                StatusIs(StatusCode::kInvalidArgument, "field=k"));
  }
  params.k = kMaxTopK;
  EXPECT_OK(index->Search(base.view(0, 1), params, out));
  EXPECT_EQ(out[0].neighbors.size(), 10U);
}

TEST(FlatIndex, StaysDefinedForValuesTheEngineWouldRefuse) {
  Matrix base = testing::IntegerMatrix(kSeed, 200, 8);
  base.values[3] = std::numeric_limits<float>::quiet_NaN();
  base.values[80] = std::numeric_limits<float>::infinity();
  base.values[160] = 3e38F;
  for (const Metric metric : kMetrics) {
    const auto index = OpenFlat(base.view(), metric);
    const std::vector<SearchOutcome> out = SearchAll(*index, base.view(), {});
    EXPECT_EQ(out.size(), 200U);
    EXPECT_LE(out[0].neighbors.size(), 10U);
  }
}

TEST(Scans, OfManyQueriesEqualSingleOnes) {
  constexpr size_t kQueries = 37;
  for (const size_t dim : {size_t{3}, size_t{96}, size_t{1500}}) {
    const size_t rows = dim == 1500 ? 700 : 3100;
    const Matrix base = testing::GaussianMatrix(kSeed, rows, dim);
    const Matrix queries = testing::GaussianMatrix(kSeed + 1, kQueries, dim);
    const std::vector<uint64_t> allowed = testing::RandomBitmap(kSeed, rows, 0.4);
    std::vector<uint32_t> list;
    for (uint32_t row = 0; row < rows; row += 3) {
      list.push_back(row);
    }
    for (const Metric metric : kMetrics) {
      std::vector<TopK> scanned(kQueries, TopK(10));
      std::vector<TopK> listed(kQueries, TopK(10));
      std::vector<SearchStats> stats(kQueries);
      ASSERT_OK(
          ScanRows(base.view(), queries.view(), metric, allowed.data(), 5, {}, scanned, stats));
      ASSERT_OK(ScanList(base.view(), queries.view(), metric, list, {}, listed, stats));
      for (size_t q = 0; q < kQueries; ++q) {
        TopK one(10);
        SearchStats single;
        ASSERT_OK(ScanRows(base.view(), queries.view().row(q), metric, allowed.data(), 5, {}, &one,
                           &single));
        EXPECT_EQ(scanned[q].Take(), one.Take());
        ASSERT_OK(ScanList(base.view(), queries.view().row(q), metric, list, {}, &one, &single));
        EXPECT_EQ(listed[q].Take(), one.Take());
        EXPECT_EQ(stats[q].distances, single.distances);
      }
    }
  }
}

TEST(Scans, RefuseBadInputBeforeOfferingAnything) {
  const Matrix base = testing::IntegerMatrix(kSeed, 10, 4);
  TopK top(5);
  const uint32_t beyond[] = {1, 2, 10};
  EXPECT_THAT(ScanList(base.view(), base.view().row(0), Metric::kL2, beyond, {}, &top, nullptr),
              StatusIs(StatusCode::kInvalidArgument, "rows"));
  const Matrix other = testing::IntegerMatrix(kSeed, 1, 5);
  EXPECT_THAT(
      ScanRows(base.view(), other.view().row(0), Metric::kL2, nullptr, 0, {}, &top, nullptr),
      StatusIs(StatusCode::kInvalidArgument, "query.dim"));
  EXPECT_THAT(ScanList(base.view(), other.view().row(0), Metric::kL2, {}, {}, &top, nullptr),
              StatusIs(StatusCode::kInvalidArgument, "query.dim"));
  std::vector<TopK> tops(3, TopK(5));
  std::vector<SearchStats> stats(4);
  EXPECT_THAT(ScanRows(base.view(), base.view(0, 4), Metric::kL2, nullptr, 0, {}, tops, stats),
              StatusIs(StatusCode::kInvalidArgument, "tops"));
  EXPECT_THAT(ScanList(base.view(), base.view(0, 4), Metric::kL2, {}, {}, tops, stats),
              StatusIs(StatusCode::kInvalidArgument, "tops"));
  EXPECT_EQ(top.size(), 0U);
}

TEST(Scans, StopWhenCancelled) {
  const Matrix base = testing::IntegerMatrix(kSeed, 3000, 4);
  CancelToken token;
  token.Cancel();
  CallControl control;
  control.cancel = &token;
  TopK top(5);
  const std::vector<uint32_t> list(2000, 1);
  EXPECT_THAT(
      ScanRows(base.view(), base.view().row(0), Metric::kL2, nullptr, 0, control, &top, nullptr),
      StatusIs(StatusCode::kCancelled));
  EXPECT_THAT(ScanList(base.view(), base.view().row(0), Metric::kL2, list, control, &top, nullptr),
              StatusIs(StatusCode::kCancelled));
  SearchParams params;
  params.control = control;
  std::vector<SearchOutcome> out(1);
  const auto index = OpenFlat(base.view(), Metric::kL2);
  EXPECT_THAT(index->Search(base.view(0, 1), params, out), StatusIs(StatusCode::kCancelled));
  BuildOptions options;
  options.control = control;
  EXPECT_THAT(FlatIndexFactory().Build(base.view(), options), StatusIs(StatusCode::kCancelled));
}

}  // namespace
}  // namespace leadline::index
