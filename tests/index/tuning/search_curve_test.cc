// What an index measures of itself when it is built, and how searches go by it.

#include "leadline/index/search_curve.h"

#include <cmath>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "curve_layout.h"
#include "index_test_data.h"
#include "leadline/index/flat.h"
#include "leadline/index/held_out_rows.h"
#include "leadline/index/hnsw.h"
#include "leadline/index/ivf.h"
#include "leadline/index/owned_codes.h"
#include "leadline/index/search_tuning.h"
#include "real_vectors.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using ::leadline::testing::StatusIs;
using testing::Matrix;
using testing::RealVectors;

const IndexFactory& FactoryOf(IndexKind kind) {
  return kind == IndexKind::kHnsw  ? HnswIndexFactory()
         : kind == IndexKind::kIvf ? IvfIndexFactory()
                                   : FlatIndexFactory();
}

/// An index over rows that outlive it, and its curve.
struct Measured {
  Measured(MatrixView rows, Metric metric, IndexKind kind, CodeType codes,
           Executor* executor = nullptr)
      : mapped(Sections(rows, metric, kind, codes)) {
    auto opened = FactoryOf(kind).Open(mapped.views(), rows, metric);
    EXPECT_OK(opened);
    index = std::move(opened).value();
    const auto held_out = DrawHeldOutRows(rows, metric, 1, executor, {});
    EXPECT_OK(held_out);
    auto measured = MeasureCurve(*index, codes, rows, *held_out, executor, {});
    EXPECT_OK(measured);
    curve = std::move(measured).value();
  }

  static std::vector<Section> Sections(MatrixView rows, Metric metric, IndexKind kind,
                                       CodeType codes) {
    BuildOptions options;
    options.metric = metric;
    options.codes = codes;
    options.ef_construction = 100;
    auto built = FactoryOf(kind).Build(rows, options);
    EXPECT_OK(built);
    return std::move(built).value();
  }

  [[nodiscard]] std::vector<SearchOutcome> Search(MatrixView queries,
                                                  const TunedSearch& tuned) const {
    SearchParams params;
    params.nprobe = index->kind() == IndexKind::kIvf ? tuned.effort : 0;
    params.ef_search = tuned.effort;
    params.candidates = tuned.candidates;
    params.rescore = tuned.rescore;
    params.never_scan_instead = true;
    std::vector<SearchOutcome> out(queries.rows);
    EXPECT_OK(index->Search(queries, params, out));
    return out;
  }

  testing::MappedSections mapped;
  std::unique_ptr<SegmentIndex> index;
  SearchCurve curve;
};

double MeanDistances(const std::vector<SearchOutcome>& found) {
  double sum = 0;
  for (const SearchOutcome& outcome : found) {
    sum += static_cast<double>(outcome.stats.distances);
  }
  return sum / static_cast<double>(found.size());
}

/// One kind of index and what it may compare a query with at a target of .95.
struct Promise {
  IndexKind kind;
  CodeType codes;
  double most_compared;  ///< share of the rows
};

void ExpectPromisesHold(RealVectors data, const Promise& promise, size_t hits_a_cluster) {
  data.PrepareFor(Metric::kCosine);
  const auto truth = testing::TrueNeighbors(data, Metric::kCosine);
  const Measured tested(data.base.view(), Metric::kCosine, promise.kind, promise.codes);
  for (const double target : {0.5, 0.8, 0.9, 0.95, 0.98, 0.99}) {
    const TunedSearch tuned = TuneSearch(tested.curve, {.k = 10, .target_recall = target});
    ASSERT_FALSE(tuned.target_missed) << target;
    ASSERT_TRUE(tuned.promised.has_value());
    EXPECT_GE(*tuned.promised, target - 1e-6);
    const auto found = tested.Search(data.queries.view(), tuned);
    const double recall = testing::MeanRecall(found, truth);
    const double compared = MeanDistances(found) / static_cast<double>(data.base.rows());
    std::printf("[ recall] target %.2f: effort %zu, candidates %zu: %.4f, %.1f%% compared\n",
                target, tuned.effort, tuned.candidates, recall, 100 * compared);
    // Three standard errors of a mean of hits that come in clusters.
    const auto hits = static_cast<double>(10 * truth.size() / hits_a_cluster);
    EXPECT_GE(recall, target - 3 * std::sqrt(target * (1 - target) / hits)) << target;
    if (target == 0.95) {
      EXPECT_LE(compared, promise.most_compared);
    }
  }
}

class SearchCurveOf : public ::testing::TestWithParam<Promise> {};

TEST_P(SearchCurveOf, PromisesHoldForOtherQueries) {
  RealVectors data = testing::ShippedWords();
  ASSERT_GT(data.queries.rows(), 0U);
  ExpectPromisesHold(std::move(data), GetParam(), 3);
}

TEST_P(SearchCurveOf, HasEqualBytesOnAnyThreads) {
  Matrix rows = testing::ClusteredMatrix(5, 2000, 24, 30);
  const Promise& promise = GetParam();
  std::string alone;
  for (const size_t threads : {1U, 2U, 5U}) {
    const auto pool = NewThreadPool(threads);
    const Measured tested(rows.view(), Metric::kL2, promise.kind, promise.codes, pool.get());
    const std::string bytes = EncodeCurve(tested.curve);
    alone = alone.empty() ? bytes : alone;
    EXPECT_EQ(bytes, alone) << threads;
  }
}

TEST_P(SearchCurveOf, IsReadBackAndOtherBytesAreRefused) {
  Matrix rows = testing::ClusteredMatrix(6, 600, 8, 20);
  const Promise& promise = GetParam();
  const Measured tested(rows.view(), Metric::kL2, promise.kind, promise.codes);
  const std::string bytes = EncodeCurve(tested.curve);
  const auto again = DecodeCurve(bytes, promise.kind, promise.codes);
  ASSERT_OK(again);
  EXPECT_EQ(EncodeCurve(*again), bytes);
  EXPECT_EQ(again->lists, tested.index->shape().lists);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(DecodeCurve(bytes.substr(0, size), promise.kind, promise.codes),
                StatusIs(StatusCode::kDataLoss));
  }
  EXPECT_THAT(DecodeCurve(bytes + '\0', promise.kind, promise.codes),
              StatusIs(StatusCode::kDataLoss));
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto read = DecodeCurve(flipped, promise.kind, promise.codes);
    if (read.ok()) {
      EXPECT_EQ(EncodeCurve(*read), flipped);
      const TunedSearch tuned = TuneSearch(*read, {.k = 10, .target_recall = 0.95});
      EXPECT_LE(tuned.effort, kMaxEfSearch);
      EXPECT_LE(tuned.candidates, kMaxEfSearch);
      EXPECT_EQ(tested.Search(rows.view(0, 2), tuned).size(), 2U);
    } else {
      EXPECT_TRUE(read.status().code() == StatusCode::kDataLoss ||
                  read.status().code() == StatusCode::kUnimplemented);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, SearchCurveOf,
                         ::testing::Values(Promise{IndexKind::kIvf, CodeType::kPq4, 0.32},
                                           Promise{IndexKind::kIvf, CodeType::kRabitq, 0.45},
                                           Promise{IndexKind::kIvf, CodeType::kSq8, 0.27},
                                           Promise{IndexKind::kIvf, CodeType::kPca8, 0.27},
                                           Promise{IndexKind::kIvf, CodeType::kF32, 0.27},
                                           Promise{IndexKind::kHnsw, CodeType::kSq4, 0.15},
                                           Promise{IndexKind::kHnsw, CodeType::kPca8, 0.15},
                                           Promise{IndexKind::kHnsw, CodeType::kSq8, 0.15}),
                         [](const auto& tested) {
                           return std::string(IndexKindName(tested.param.kind)) + "_" +
                                  std::string(CodeTypeName(tested.param.codes));
                         });

TEST(SearchCurve, PromisesHoldForAllVectors) {
  RealVectors data = testing::AllWords();
  if (data.base.rows() == 0) {
    GTEST_SKIP() << "../shared/data/glove-wink-100k is absent";
  }
  for (const Promise& promise : {Promise{IndexKind::kIvf, CodeType::kPq4, 0.15},
                                 Promise{IndexKind::kIvf, CodeType::kSq8, 0.12},
                                 Promise{IndexKind::kHnsw, CodeType::kSq4, 0.03}}) {
    ExpectPromisesHold(data, promise, 3);
  }
}

TEST(SearchCurve, PromisesHoldWhereNoRowIsNear) {
  const Matrix all = testing::GaussianMatrix(9, 8200, 64);
  const RealVectors data{{{all.values.begin(), all.values.begin() + 8000 * 64}, 64},
                         {{all.values.begin() + 8000 * 64, all.values.end()}, 64}};
  const auto truth = testing::TrueNeighbors(data, Metric::kL2);
  const Measured tested(data.base.view(), Metric::kL2, IndexKind::kIvf, CodeType::kPq4);
  for (const double target : {0.9, 0.95}) {
    const TunedSearch tuned = TuneSearch(tested.curve, {.k = 10, .target_recall = target});
    EXPECT_FALSE(tuned.target_missed);
    EXPECT_GE(testing::MeanRecall(tested.Search(data.queries.view(), tuned), truth), target - 0.02);
  }
}

TEST(SearchCurve, RowsAsNearAsTheTenthAreFound) {
  const Matrix few = testing::GaussianMatrix(3, 20, 16);
  Matrix rows{{}, 16};
  for (size_t i = 0; i < 3000; ++i) {
    rows.values.insert(rows.values.end(), few.row(i % 20), few.row(i % 20) + 16);
  }
  const Measured tested(rows.view(), Metric::kL2, IndexKind::kIvf, CodeType::kSq8);
  ASSERT_FALSE(tested.curve.points.empty());
  EXPECT_EQ(tested.curve.points.back().recall, 1.0F);
  EXPECT_LE(tested.curve.points.back().effort, 40U) << "of 150 rows as near any ten will do";
}

TEST(SearchCurve, CandidatesKeepTheirShareOfTheScan) {
  for (const auto& [codes, dim] :
       {std::pair(CodeType::kPq4, size_t{32}), std::pair(CodeType::kRabitq, size_t{128})}) {
    // Neighbours that codes tell well from others, so that rows ask for no more candidates.
    const Matrix rows = testing::ClusteredMatrix(7, 20'000, dim, 2000);
    const Measured tested(rows.view(), Metric::kL2, IndexKind::kIvf, codes);
    const auto scan_bytes = static_cast<double>(tested.index->shape().scan_bytes) + 16;
    const std::vector<CurvePoint>& points = tested.curve.points;
    ASSERT_GT(points.size(), 4U);
    size_t wider = 0;
    for (size_t i = 1; i < points.size(); ++i) {
      if (points[i].effort > points[i - 1].effort) {
        const double scanned = static_cast<double>(points[i - 1].distances) * scan_bytes;
        const double least = 0.3 * scanned / (2.0 * static_cast<double>(dim) + 400);
        EXPECT_GE(points[i].candidates + 1, std::min(least, 10'000.0)) << i;
        ++wider;
      }
    }
    EXPECT_GT(wider, 2U);
  }
}

TEST(SearchCurve, IsEmptyWithoutAnythingToMeasure) {
  const Matrix rows = testing::GaussianMatrix(3, 100, 8);
  EXPECT_TRUE(
      Measured(rows.view(), Metric::kL2, IndexKind::kFlat, CodeType::kF32).curve.points.empty());
  EXPECT_TRUE(
      Measured(rows.view(0, 1), Metric::kL2, IndexKind::kIvf, CodeType::kF32).curve.points.empty());
  EXPECT_TRUE(DrawHeldOutRows({nullptr, 0, 8}, Metric::kL2, 1, nullptr, {})->rows.empty());
  EXPECT_FALSE(
      Measured(rows.view(0, 2), Metric::kL2, IndexKind::kIvf, CodeType::kPq4).curve.points.empty());
}

/// A graph that finds all rows but one, whatever the effort, and notes the most it was asked for.
class ForgetsARow final : public SegmentIndex {
 public:
  ForgetsARow(MatrixView vectors, uint32_t forgotten) : vectors_(vectors), forgotten_(forgotten) {}

  [[nodiscard]] IndexKind kind() const override { return IndexKind::kHnsw; }

  [[nodiscard]] size_t rows() const override { return vectors_.rows; }

  [[nodiscard]] bool exact() const override { return false; }

  [[nodiscard]] Status Search(MatrixView queries, const SearchParams& params,
                              std::span<SearchOutcome> out) const override {
    most_effort_ = std::max(most_effort_, params.ef_search);
    for (size_t q = 0; q < queries.rows; ++q) {
      auto found = testing::BruteForce(vectors_, queries.row(q).data(), Metric::kL2, params.k + 1);
      std::erase_if(found, [this](const Neighbor& near) { return near.row == forgotten_; });
      found.resize(params.k);
      out[q].neighbors = std::move(found);
      out[q].stats.distances = params.ef_search;
    }
    return {};
  }

  [[nodiscard]] Status SearchExact(MatrixView /*queries*/, const SearchParams& /*params*/,
                                   std::span<SearchOutcome> /*out*/) const override {
    return UnimplementedError("not needed");
  }

  [[nodiscard]] size_t resident_bytes() const override { return 0; }

  [[nodiscard]] size_t most_effort() const { return most_effort_; }

 private:
  const MatrixView vectors_;
  const uint32_t forgotten_;
  mutable size_t most_effort_ = 0;
};

TEST(SearchCurve, EndsWhereNoEffortFindsMore) {
  const Matrix rows = testing::GaussianMatrix(3, 600, 8);
  const auto held_out = DrawHeldOutRows(rows.view(), Metric::kL2, 1, nullptr, {});
  ASSERT_OK(held_out);
  const ForgetsARow index(rows.view(), held_out->nearest[0][0].row);
  const auto curve = MeasureCurve(index, CodeType::kF32, rows.view(), *held_out, nullptr, {});
  ASSERT_OK(curve);
  ASSERT_EQ(curve->points.size(), 1U);
  EXPECT_LT(curve->points[0].recall, 1);
  EXPECT_LE(index.most_effort(), 50U) << "four times the first, and some for rounding";
}

TEST(SearchCurve, NeighboursOfHeldOutRowsAreThoseOfAScan) {
  const Matrix rows = testing::GaussianMatrix(4, 700, 12);
  const auto held_out = DrawHeldOutRows(rows.view(), Metric::kL2, 9, nullptr, {});
  ASSERT_OK(held_out);
  ASSERT_EQ(held_out->rows.size(), 256U);
  for (size_t i = 0; i < held_out->rows.size(); ++i) {
    const uint32_t row = held_out->rows[i];
    auto expected = testing::BruteForce(rows.view(), rows.row(row), Metric::kL2, 11);
    std::erase_if(expected, [row](const Neighbor& near) { return near.row == row; });
    ASSERT_EQ(held_out->nearest[i].size(), 10U);
    for (size_t n = 0; n < 10; ++n) {
      EXPECT_EQ(held_out->nearest[i][n].row, expected[n].row);
    }
  }
}

TEST(SearchCurve, NeighboursOfHeldOutRowsAreTheSameByCodes) {
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct, Metric::kCosine}) {
    Matrix rows = testing::GaussianMatrix(5, 3000, 24);
    std::copy_n(rows.values.begin(), 960, rows.values.end() - 960);  // ties
    if (metric == Metric::kCosine) {
      testing::NormalizeRows(&rows);
    }
    const auto codes = OwnedCodes::Make(rows.view(), metric, nullptr, {});
    ASSERT_OK(codes);
    const auto expected = DrawHeldOutRows(rows.view(), metric, 9, nullptr, {});
    ASSERT_OK(expected);
    for (const size_t threads : {1U, 3U}) {
      const auto pool = NewThreadPool(threads);
      const auto found = DrawHeldOutRows(rows.view(), metric, 9, pool.get(), {}, &codes->codes());
      ASSERT_OK(found);
      EXPECT_EQ(found->rows, expected->rows);
      for (size_t i = 0; i < expected->rows.size(); ++i) {
        EXPECT_EQ(found->nearest[i], expected->nearest[i]) << MetricName(metric) << " " << i;
      }
    }
  }
}

TEST(SearchCurve, MeasuringStopsWhenCancelled) {
  const Matrix rows = testing::GaussianMatrix(3, 500, 8);
  const Measured tested(rows.view(), Metric::kL2, IndexKind::kIvf, CodeType::kPq4);
  CancelToken cancel;
  cancel.Cancel();
  CallControl control;
  control.cancel = &cancel;
  EXPECT_THAT(DrawHeldOutRows(rows.view(), Metric::kL2, 1, nullptr, control),
              StatusIs(StatusCode::kCancelled));
  const auto held_out = DrawHeldOutRows(rows.view(), Metric::kL2, 1, nullptr, {});
  EXPECT_THAT(MeasureCurve(*tested.index, CodeType::kPq4, rows.view(), *held_out, nullptr, control),
              StatusIs(StatusCode::kCancelled));
}

SearchCurve ByHand(IndexKind kind) {
  return {kind,
          CodeType::kPq4,
          kind == IndexKind::kIvf ? 100U : 0U,
          256,
          {{4, 40, 15, 0.80F, 0.70F, 500},
           {8, 40, 15, 0.90F, 0.80F, 900},
           {8, 80, 15, 0.96F, 0.90F, 940},
           {16, 80, 15, 1.00F, 0.94F, 1800}}};
}

TEST(TuneSearch, TakesWhatReachesTheTarget) {
  const SearchCurve curve = ByHand(IndexKind::kIvf);
  TunedSearch tuned = TuneSearch(curve, {.target_recall = 0.6});
  EXPECT_EQ(tuned.effort, 4U);
  EXPECT_EQ(tuned.candidates, 40U);
  EXPECT_EQ(tuned.rescore, 15U);
  EXPECT_NEAR(*tuned.promised, 0.7, 1e-6);
  tuned = TuneSearch(curve, {.target_recall = 0.74});
  EXPECT_EQ(tuned.effort, 6U) << "4 + .4 of the way to 8, rounded up";
  EXPECT_NEAR(*tuned.promised, 0.74, 1e-6);
  tuned = TuneSearch(curve, {.target_recall = 0.83});
  EXPECT_EQ(tuned.effort, 8U);
  EXPECT_EQ(tuned.candidates, 52U);
  tuned = TuneSearch(curve, {.target_recall = 0.97});
  EXPECT_TRUE(tuned.target_missed);
  EXPECT_EQ(tuned.effort, 16U);
  EXPECT_NEAR(*tuned.promised, 0.94, 1e-6);
}

TEST(TuneSearch, WithoutATargetFindsWhatRowsFind) {
  const TunedSearch tuned = TuneSearch(ByHand(IndexKind::kIvf), {});
  EXPECT_EQ(tuned.effort, 12U) << "recall .98 of rows is half way from .96 to 1";
  EXPECT_FALSE(tuned.target_missed);
  SearchCurve low = ByHand(IndexKind::kIvf);
  low.points.pop_back();
  EXPECT_EQ(TuneSearch(low, {}).effort, 0U) << "the lists' own default";
  EXPECT_EQ(TuneSearch(low, {}).candidates, 80U);
  low.kind = IndexKind::kHnsw;
  EXPECT_EQ(TuneSearch(low, {}).effort, 8U);
}

TEST(TuneSearch, WhatIsGivenWins) {
  const SearchCurve curve = ByHand(IndexKind::kIvf);
  TunedSearch tuned = TuneSearch(curve, {.target_recall = 0.94, .effort = 9, .rescore = 77});
  EXPECT_EQ(tuned.effort, 9U);
  EXPECT_EQ(tuned.candidates, 80U);
  EXPECT_EQ(tuned.rescore, 77U);
  EXPECT_NEAR(*tuned.promised, 0.9, 1e-6);
  EXPECT_TRUE(tuned.target_missed);
  tuned = TuneSearch(curve, {.effort = 2});
  EXPECT_EQ(tuned.effort, 2U);
  EXPECT_FALSE(tuned.promised.has_value()) << "less than was measured";
}

TEST(TuneSearch, LooksHarderForMoreNeighbours) {
  const TunedSearch lists = TuneSearch(ByHand(IndexKind::kIvf), {.k = 160, .target_recall = 0.9});
  EXPECT_EQ(lists.effort, 16U);
  EXPECT_EQ(lists.candidates, 1280U);
  EXPECT_EQ(lists.rescore, 240U);
  const TunedSearch graph = TuneSearch(ByHand(IndexKind::kHnsw), {.k = 160, .target_recall = 0.9});
  EXPECT_EQ(graph.effort, 32U);
  const TunedSearch one = TuneSearch(ByHand(IndexKind::kIvf), {.k = 1, .target_recall = 0.9});
  EXPECT_EQ(one.effort, 8U);
  EXPECT_EQ(one.candidates, 80U);
  EXPECT_LE(TuneSearch(ByHand(IndexKind::kIvf), {.k = kMaxTopK}).candidates, kMaxEfSearch);
}

TEST(TuneSearch, LeavesAllToTheKindWithoutACurve) {
  const TunedSearch tuned = TuneSearch({}, {.effort = 5, .rescore = 3});
  EXPECT_EQ(tuned.effort, 5U);
  EXPECT_EQ(tuned.rescore, 3U);
  EXPECT_FALSE(tuned.promised.has_value());
  EXPECT_FALSE(tuned.target_missed);
  EXPECT_TRUE(TuneSearch({}, {.target_recall = 0.9}).target_missed);
}

class ForgedCurve : public ::testing::Test {
 protected:
  /// The curve with one number of its header, or of a point behind it, replaced.
  template <typename T>
  static Status With(size_t offset, T value) {
    std::string bytes = EncodeCurve(ByHand(IndexKind::kIvf));
    std::memcpy(bytes.data() + offset, &value, sizeof value);
    return DecodeCurve(bytes, IndexKind::kIvf, CodeType::kPq4).status();
  }

  static size_t Point(size_t i, size_t offset) {
    return sizeof(CurveHeader) + i * sizeof(StoredPoint) + offset;
  }
};

TEST_F(ForgedCurve, IsRefused) {
  EXPECT_OK(With(Point(0, 0), 3U));
  EXPECT_THAT(With(0, 2U), StatusIs(StatusCode::kUnimplemented));
  for (const uint32_t points : {0U, 3U, 5U, 65U, ~0U}) {
    EXPECT_THAT(With(offsetof(CurveHeader, points), points), StatusIs(StatusCode::kDataLoss));
  }
  EXPECT_THAT(With(offsetof(CurveHeader, kind), 3U), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(With(offsetof(CurveHeader, lists), 15U), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(With(offsetof(CurveHeader, reserved), 1U), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(With(Point(0, offsetof(StoredPoint, effort)), 0U), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(With(Point(1, offsetof(StoredPoint, effort)), 3U), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(With(Point(3, offsetof(StoredPoint, candidates)), 65'537U),
              StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(With(Point(3, offsetof(StoredPoint, rescore)), 65'537U),
              StatusIs(StatusCode::kDataLoss));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {nan, infinity, -1.0F, 1.5F, 0.5F}) {
    EXPECT_THAT(With(Point(3, offsetof(StoredPoint, recall)), bad),
                StatusIs(StatusCode::kDataLoss));
    EXPECT_THAT(With(Point(3, offsetof(StoredPoint, promised)), bad),
                StatusIs(StatusCode::kDataLoss));
  }
  for (const float bad : {nan, infinity, -1.0F}) {
    EXPECT_THAT(With(Point(3, offsetof(StoredPoint, distances)), bad),
                StatusIs(StatusCode::kDataLoss));
  }
}

}  // namespace
}  // namespace leadline::index
