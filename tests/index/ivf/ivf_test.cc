#include "leadline/index/ivf.h"

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "counting_row_check.h"
#include "index_test_data.h"
#include "leadline/core/executor.h"
#include "leadline/core/rng.h"
#include "leadline/index/scan.h"
#include "status_matchers.h"

namespace {

int sgemm_calls = 0;

}  // namespace

/// FAISS calls BLAS through this name; here it finds this one first. A build that hands work to
/// BLAS runs on threads of BLAS, however many it was given.
extern "C" int sgemm_(...) {
  ++sgemm_calls;
  return 0;
}

namespace leadline::index {
namespace {

using leadline::testing::StatusIs;
using testing::BruteForce;

constexpr uint64_t kSeed = 99;
constexpr size_t kRows = 4000;
constexpr size_t kDim = 16;

/// Clustered rows, unit length for cosine.
std::vector<float> ClusteredRows(uint64_t seed, size_t rows, size_t dim, bool unit) {
  Rng centres(7);
  std::vector<float> centre_values(40 * dim);
  for (float& value : centre_values) {
    value = static_cast<float>(3 * centres.Gaussian());
  }
  Rng rng(seed);
  std::vector<float> values(rows * dim);
  for (size_t r = 0; r < rows; ++r) {
    const size_t centre = rng.Uniform(40);
    double norm = 0;
    for (size_t d = 0; d < dim; ++d) {
      values[r * dim + d] = centre_values[centre * dim + d] + static_cast<float>(rng.Gaussian());
      norm += static_cast<double>(values[r * dim + d]) * values[r * dim + d];
    }
    for (size_t d = 0; unit && d < dim; ++d) {
      values[r * dim + d] /= static_cast<float>(std::sqrt(norm));
    }
  }
  return values;
}

/// A built index with the memory it lives on.
struct Built {
  std::vector<float> rows;
  std::vector<Section> sections;
  std::vector<std::vector<uint64_t>> aligned;
  std::unique_ptr<SegmentIndex> index;

  [[nodiscard]] MatrixView view() const { return {rows.data(), rows.size() / kDim, kDim}; }
};

std::unique_ptr<Built> Build(Metric metric, uint32_t nlist, Executor* executor = nullptr) {
  auto built = std::make_unique<Built>();
  built->rows = ClusteredRows(kSeed, kRows, kDim, metric == Metric::kCosine);
  BuildOptions options;
  options.metric = metric;
  options.nlist = nlist;
  options.executor = executor;
  auto sections = IvfIndexFactory().Build(built->view(), options);
  EXPECT_OK(sections);
  built->sections = std::move(sections).value();
  std::vector<SectionView> views;
  for (const Section& section : built->sections) {
    std::vector<uint64_t>& copy = built->aligned.emplace_back(section.bytes.size() / 8 + 1);
    std::memcpy(copy.data(), section.bytes.data(), section.bytes.size());
    views.push_back(
        {section.type, {reinterpret_cast<const char*>(copy.data()), section.bytes.size()}});
  }
  auto index = IvfIndexFactory().Open(views, built->view(), metric);
  EXPECT_OK(index);
  built->index = std::move(index).value();
  return built;
}

std::vector<SearchOutcome> SearchAll(const SegmentIndex& index, MatrixView queries,
                                     const SearchParams& params) {
  std::vector<SearchOutcome> out(queries.rows);
  EXPECT_OK(index.Search(queries, params, out));
  return out;
}

/// The oracle sums in another order, so distances may differ in the last bit; rows may not.
std::vector<uint32_t> RowsOf(const std::vector<Neighbor>& neighbors) {
  std::vector<uint32_t> rows;
  for (const Neighbor& neighbor : neighbors) {
    rows.push_back(neighbor.row);
  }
  return rows;
}

TEST(IvfExactSearch, GoesByCodesWhereTheyPay) {
  constexpr size_t kMany = 17'000;
  const testing::Matrix base = testing::ClusteredMatrix(kSeed, kMany, 12, 30);
  const std::vector<uint64_t> few = testing::RandomBitmap(kSeed, kMany, 0.05);
  for (const CodeType codes : {CodeType::kSq8, CodeType::kSq4, CodeType::kBf16}) {
    BuildOptions options;
    options.nlist = 16;
    options.codes = codes;
    ASSERT_OK_AND_ASSIGN(const std::vector<Section> sections,
                         IvfIndexFactory().Build(base.view(), options));
    const testing::MappedSections mapped(sections);
    ASSERT_OK_AND_ASSIGN(const auto index,
                         IvfIndexFactory().Open(mapped.views(), base.view(), Metric::kL2));
    EXPECT_EQ(index->scan_codes(), codes);
    EXPECT_EQ(index->lists_rows(), codes == CodeType::kSq8);
    const bool many = codes == CodeType::kSq4;
    EXPECT_EQ(index->ScanCodesFor(kMany), codes);
    EXPECT_EQ(index->ScanCodesFor(1000), many ? CodeType::kF32 : codes);
    for (const bool checked : {false, true}) {
      for (const uint64_t* allowed : {static_cast<const uint64_t*>(nullptr), few.data()}) {
        const testing::CountingRowCheck check;
        SearchParams params;
        params.row_check = checked ? &check : nullptr;
        params.allowed = allowed;
        params.allowed_count = allowed == nullptr ? kMany : testing::CountBits(few, kMany);
        std::vector<SearchOutcome> out(20);
        ASSERT_OK(index->SearchExact(base.view(0, 20), params, out));
        size_t rescored = 0;
        for (size_t q = 0; q < out.size(); ++q) {
          TopK truth(params.k);
          ASSERT_OK(ScanRows(base.view(), base.view().row(q), Metric::kL2, allowed, 0, {}, &truth,
                             nullptr));
          EXPECT_EQ(out[q].neighbors, truth.Take()) << CodeTypeName(codes) << " " << q;
          EXPECT_EQ(out[q].stats.rescored > 0, checked || allowed == nullptr || !many) << q;
          rescored += out[q].stats.rescored;
        }
        // What is asked for is what is read.
        EXPECT_EQ(check.asked(), checked ? rescored : 0U);
      }
    }
  }
}

class IvfIndexTest : public ::testing::TestWithParam<Metric> {};

TEST_P(IvfIndexTest, IsExactWhenEveryListIsProbed) {
  const auto built = Build(GetParam(), 60);
  const std::vector<float> queries =
      ClusteredRows(kSeed + 1, 20, kDim, GetParam() == Metric::kCosine);
  SearchParams params;
  params.nprobe = 60;
  const MatrixView view{queries.data(), 20, kDim};
  const auto out = SearchAll(*built->index, view, params);
  for (size_t q = 0; q < view.rows; ++q) {
    EXPECT_EQ(RowsOf(out[q].neighbors),
              RowsOf(BruteForce(built->view(), view.row(q).data(), GetParam(), params.k, nullptr)));
    EXPECT_EQ(out[q].stats.distances, kRows + 60);
  }
}

TEST_P(IvfIndexTest, DefaultProbesReachTheRecallFloorOnUnseenQueries) {
  const auto built = Build(GetParam(), 0);
  const std::vector<float> queries =
      ClusteredRows(kSeed + 2, 100, kDim, GetParam() == Metric::kCosine);
  const MatrixView view{queries.data(), 100, kDim};
  const auto out = SearchAll(*built->index, view, SearchParams{});
  size_t found = 0;
  uint64_t distances = 0;
  for (size_t q = 0; q < view.rows; ++q) {
    const auto truth = BruteForce(built->view(), view.row(q).data(), GetParam(), 10, nullptr);
    for (const Neighbor& neighbor : out[q].neighbors) {
      found += neighbor.distance <= truth.back().distance + 1e-4F ? 1 : 0;
    }
    distances += out[q].stats.distances;
  }
  std::printf("[ ivf   ] recall %.3f, %.1f%% of the rows compared\n",
              static_cast<double>(found) / 1000,
              static_cast<double>(distances) / static_cast<double>(kRows));
  EXPECT_GE(found, 930U);
  EXPECT_LT(distances, 100 * kRows);
}

TEST_P(IvfIndexTest, ReturnsOnlyAllowedRowsAtEverySelectivity) {
  const auto built = Build(GetParam(), 40);
  const std::vector<float> queries =
      ClusteredRows(kSeed + 3, 10, kDim, GetParam() == Metric::kCosine);
  const MatrixView view{queries.data(), 10, kDim};
  for (const double share : {1.0, 0.5, 0.1, 0.01, 0.0001}) {
    const std::vector<uint64_t> allowed = testing::RandomBitmap(5, kRows, share);
    SearchParams params;
    params.allowed = allowed.data();
    params.nprobe = 40;
    const auto out = SearchAll(*built->index, view, params);
    for (size_t q = 0; q < view.rows; ++q) {
      EXPECT_EQ(RowsOf(out[q].neighbors), RowsOf(BruteForce(built->view(), view.row(q).data(),
                                                            GetParam(), params.k, allowed.data())));
    }
  }
}

TEST_P(IvfIndexTest, VisitsMoreListsWhereTheMatchesLieAwayFromTheQuery) {
  const auto built = Build(GetParam(), 0);
  const std::vector<float> queries =
      ClusteredRows(kSeed + 6, 50, kDim, GetParam() == Metric::kCosine);
  const MatrixView view{queries.data(), 50, kDim};
  double recall = 0;
  double forced = 0;
  for (size_t q = 0; q < view.rows; ++q) {
    const MatrixView query{view.row(q).data(), 1, kDim};
    // The half of the rows that is farther away.
    const auto by_distance = BruteForce(built->view(), query.data, GetParam(), kRows, nullptr);
    std::vector<uint64_t> far((kRows + 63) / 64, 0);
    for (size_t i = kRows / 2; i < kRows; ++i) {
      far[by_distance[i].row >> 6] |= uint64_t{1} << (by_distance[i].row & 63);
    }
    const auto truth = BruteForce(built->view(), query.data, GetParam(), 10, far.data());
    SearchParams params;
    params.allowed = far.data();
    params.allowed_count = kRows / 2;
    const SearchOutcome found = SearchAll(*built->index, query, params)[0];
    EXPECT_LE(found.stats.distances, kRows) << "lists and rows, or all matches";
    recall += testing::Recall(found.neighbors, truth) / 50;
    params.never_scan_instead = true;
    const SearchOutcome probed = SearchAll(*built->index, query, params)[0];
    EXPECT_FALSE(probed.stats.scanned);
    forced += testing::Recall(probed.neighbors, truth) / 50;
    params.nprobe = 40;
    EXPECT_GE(SearchAll(*built->index, query, params)[0].stats.hops, 40U);
    params.nprobe = 252;  // all lists: what the caller asks for is done
    EXPECT_EQ(RowsOf(SearchAll(*built->index, query, params)[0].neighbors), RowsOf(truth));
  }
  std::printf("recall %.3f, %.3f by lists alone\n", recall, forced);
  EXPECT_GE(recall, 0.9);
  EXPECT_GE(forced, 0.8);
}

TEST_P(IvfIndexTest, BatchSplitsDoNotChangeResults) {
  const auto built = Build(GetParam(), 0);
  const std::vector<float> queries =
      ClusteredRows(kSeed + 4, 33, kDim, GetParam() == Metric::kCosine);
  const MatrixView view{queries.data(), 33, kDim};
  const auto whole = SearchAll(*built->index, view, SearchParams{});
  for (size_t q = 0; q < view.rows; ++q) {
    const auto single = SearchAll(*built->index, {view.row(q).data(), 1, kDim}, SearchParams{});
    EXPECT_EQ(single[0].neighbors, whole[q].neighbors);
  }
}

TEST_P(IvfIndexTest, EqualInputsGiveEqualBytesOnAnyNumberOfThreads) {
  const std::string bytes = Build(GetParam(), 30)->sections[0].bytes;
  EXPECT_EQ(Build(GetParam(), 30)->sections[0].bytes, bytes);
  const auto pool = NewThreadPool(3);
  EXPECT_EQ(Build(GetParam(), 30, pool.get())->sections[0].bytes, bytes);
}

TEST_P(IvfIndexTest, BuildUsesNoThreadsButItsOwn) {
  sgemm_calls = 0;
  Build(GetParam(), 30);
  EXPECT_EQ(sgemm_calls, 0);
}

INSTANTIATE_TEST_SUITE_P(Metrics, IvfIndexTest,
                         ::testing::Values(Metric::kL2, Metric::kInnerProduct, Metric::kCosine));

TEST(IvfIndex, BuildsOverDegenerateRows) {
  for (const size_t rows : {size_t{0}, size_t{1}, size_t{3}, size_t{500}}) {
    const std::vector<float> equal(rows * kDim, 1.0F);
    BuildOptions options;
    options.metric = Metric::kL2;
    EXPECT_OK(IvfIndexFactory().Build({equal.data(), rows, kDim}, options)) << rows;
  }
}

TEST(IvfIndex, RefusesListsItDoesNotHave) {
  const std::vector<float> rows(10 * kDim, 1.0F);
  BuildOptions options;
  options.nlist = 65537;
  EXPECT_THAT(IvfIndexFactory().Build({rows.data(), 10, kDim}, options),
              StatusIs(StatusCode::kInvalidArgument, "nlist"));
}

TEST(IvfIndex, CancelledBuildAndSearchSayCancelled) {
  CancelToken token;
  token.Cancel();
  const std::vector<float> rows = ClusteredRows(kSeed, 100, kDim, false);
  BuildOptions options;
  options.control.cancel = &token;
  EXPECT_THAT(IvfIndexFactory().Build({rows.data(), 100, kDim}, options),
              StatusIs(StatusCode::kCancelled));
  const auto built = Build(Metric::kL2, 10);
  SearchParams params;
  params.control.cancel = &token;
  std::vector<SearchOutcome> out(1);
  EXPECT_THAT(built->index->Search({rows.data(), 1, kDim}, params, out),
              StatusIs(StatusCode::kCancelled));
}

TEST(IvfIndex, LooksAtItsDeadlineInsideALongListAndBetweenIterations) {
  const auto built = Build(Metric::kL2, 1);  // all rows in one list
  SearchParams params;
  testing::LookCountingClock clock;
  params.control.clock = &clock;
  params.control.deadline_nanos = 1'000'000;
  std::vector<SearchOutcome> out(1);
  EXPECT_OK(built->index->Search({built->rows.data(), 1, kDim}, params, out));
  EXPECT_GE(clock.looks(), static_cast<int64_t>(kRows / (CallControl::kCheckInterval + 64)));
  params.control.deadline_nanos = clock.looks() + 2;
  EXPECT_THAT(built->index->Search({built->rows.data(), 1, kDim}, params, out),
              StatusIs(StatusCode::kDeadlineExceeded));

  BuildOptions options;
  options.nlist = 20;
  options.control.clock = &clock;
  options.control.deadline_nanos = clock.looks() + 5;  // passes during k-means
  EXPECT_THAT(IvfIndexFactory().Build(built->view(), options),
              StatusIs(StatusCode::kDeadlineExceeded));
}

TEST(IvfIndex, LooksAtItsDeadlineWhileItComparesCentroids) {
  constexpr size_t kLists = 3000;
  const auto built = Build(Metric::kL2, kLists);
  SearchParams params;
  params.nprobe = 1;
  testing::LookCountingClock clock;
  params.control.clock = &clock;
  params.control.deadline_nanos = 1'000'000;
  std::vector<SearchOutcome> out(1);
  EXPECT_OK(built->index->Search({built->rows.data(), 1, kDim}, params, out));
  EXPECT_GE(clock.looks(), static_cast<int64_t>(kLists / CallControl::kCheckInterval) + 1);
}

TEST(IvfIndex, HostileSectionsAreRefusedOrHarmless) {
  const auto built = Build(Metric::kL2, 8);
  const std::string& good = built->sections[0].bytes;
  const auto open = [&](const std::string& bytes) {
    std::vector<uint64_t> aligned(bytes.size() / 8 + 1);
    std::memcpy(aligned.data(), bytes.data(), bytes.size());
    const SectionView view{40, {reinterpret_cast<const char*>(aligned.data()), bytes.size()}};
    const auto index = IvfIndexFactory().Open({&view, 1}, built->view(), Metric::kL2);
    if (index.ok()) {
      std::vector<SearchOutcome> out(1);
      EXPECT_OK((*index)->Search({built->rows.data(), 1, kDim}, SearchParams{}, out));
    }
    return index.ok();
  };
  EXPECT_TRUE(open(good));
  for (size_t n = 0; n < good.size(); n += n < 700 ? 1 : 97) {
    EXPECT_FALSE(open(good.substr(0, n))) << n;
  }
  Rng rng(kSeed);
  for (int i = 0; i < 2000; ++i) {
    std::string flipped = good;
    const size_t at = i < 512 ? static_cast<size_t>(i) / 8 : rng.Uniform(good.size());
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (i % 8)));
    open(flipped);
  }
  for (const uint32_t huge : {0xffffffffU, 0x80000000U, 65537U, 0U}) {
    for (size_t field = 0; field < 5; ++field) {
      std::string bad = good;
      std::memcpy(bad.data() + field * 4, &huge, sizeof huge);
      EXPECT_FALSE(open(bad)) << field << " " << huge;
    }
  }
  EXPECT_FALSE(IvfIndexFactory().Open({}, built->view(), Metric::kL2).ok());
}

}  // namespace
}  // namespace leadline::index
