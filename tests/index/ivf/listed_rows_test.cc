// Rows that came after an index was built, searched by its lists: found as the index's own are, at
// their share of the work.

#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "index_test_data.h"
#include "leadline/index/held_out_rows.h"
#include "leadline/index/ivf.h"
#include "leadline/index/search_curve.h"
#include "leadline/index/search_tuning.h"
#include "leadline/index/top_k.h"
#include "leadline/simd/distance.h"
#include "real_vectors.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using ::leadline::testing::StatusIs;
using testing::Matrix;
using testing::RealVectors;

constexpr uint64_t kSeed = 20261127;

/// An index over the first `own` rows of a matrix; the others come later.
class Grown {
 public:
  Grown(const Matrix& rows, size_t own, Metric metric, CodeType codes)
      : rows_(rows), own_(own), metric_(metric), mapped_(Sections(codes)) {
    auto opened = IvfIndexFactory().Open(mapped_.views(), rows.view(0, own), metric);
    EXPECT_OK(opened);
    index_ = std::move(opened).value();
    const auto held_out = DrawHeldOutRows(rows.view(0, own), metric, 1, nullptr, {});
    EXPECT_OK(held_out);
    auto measured = MeasureCurve(*index_, codes, rows.view(0, own), *held_out, nullptr, {});
    EXPECT_OK(measured);
    curve_ = std::move(measured).value();
  }

  [[nodiscard]] const SegmentIndex& index() const { return *index_; }

  [[nodiscard]] const SearchCurve& curve() const { return curve_; }

  [[nodiscard]] size_t beside() const { return rows_.rows() - own_; }

  /// Lists the later rows [begin, end), numbered from 0 on.
  [[nodiscard]] std::shared_ptr<const ListedRows> Add(const ListedRows* before, size_t begin,
                                                      size_t end) const {
    std::vector<const float*> rows;
    for (size_t i = begin; i < end; ++i) {
      rows.push_back(rows_.row(own_ + i));
    }
    auto listed = index_->ListRows(before, rows, {});
    EXPECT_OK(listed);
    return std::move(listed).value();
  }

  [[nodiscard]] std::shared_ptr<const ListedRows> AddAll() const {
    return Add(nullptr, 0, beside());
  }

  [[nodiscard]] std::vector<SearchOutcome> Search(MatrixView queries,
                                                  const SearchParams& params) const {
    std::vector<SearchOutcome> out(queries.rows);
    EXPECT_OK(index_->Search(queries, params, out));
    return out;
  }

  /// Everything is looked at by each code and then in full.
  [[nodiscard]] SearchParams AllOf(const ListedRows& listed) const {
    SearchParams params;
    params.k = 20;
    params.nprobe = index_->shape().lists;
    params.candidates = rows_.rows();
    params.rescore = rows_.rows();
    params.beside = &listed;
    params.beside_count = listed.size();
    return params;
  }

  /// Own and later rows by the kernels of one distance: the bits that exact scans give.
  [[nodiscard]] std::vector<Neighbor> Exact(const float* query, size_t k, size_t end,
                                            const uint64_t* later_allowed = nullptr) const {
    const simd::MetricDistance distance(metric_, rows_.dim);
    TopK top(k);
    for (size_t i = 0; i < own_ + end; ++i) {
      if (i < own_ || IsAllowed(later_allowed, i - own_)) {
        top.Offer(distance.Pair(query, rows_.row(i)), static_cast<uint32_t>(i));
      }
    }
    return top.Take();
  }

 private:
  [[nodiscard]] std::vector<Section> Sections(CodeType codes) const {
    BuildOptions options;
    options.metric = metric_;
    options.codes = codes;
    auto built = IvfIndexFactory().Build(rows_.view(0, own_), options);
    EXPECT_OK(built);
    return std::move(built).value();
  }

  const Matrix& rows_;
  const size_t own_;
  const Metric metric_;
  testing::MappedSections mapped_;
  std::unique_ptr<SegmentIndex> index_;
  SearchCurve curve_;
};

struct Kind {
  Metric metric;
  CodeType codes;
  size_t dim;
};

class ListedRowsOf : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    rows_ = testing::ClusteredMatrix(kSeed, 2300, GetParam().dim, 12);
    queries_ = testing::ClusteredMatrix(kSeed, 25, GetParam().dim, 12);
    if (GetParam().metric == Metric::kCosine) {
      testing::NormalizeRows(&rows_);
      testing::NormalizeRows(&queries_);
    }
  }

  [[nodiscard]] Grown Index() const { return {rows_, 1500, GetParam().metric, GetParam().codes}; }

  [[nodiscard]] const Matrix& rows() const { return rows_; }

  [[nodiscard]] const Matrix& queries() const { return queries_; }

 private:
  Matrix rows_;
  Matrix queries_;
};

TEST_P(ListedRowsOf, AreFoundExactlyWhereEverythingIsLookedAt) {
  const Grown grown = Index();
  const auto listed = grown.AddAll();
  const auto found = grown.Search(queries().view(), grown.AllOf(*listed));
  for (size_t q = 0; q < found.size(); ++q) {
    EXPECT_EQ(found[q].neighbors, grown.Exact(queries().row(q), 20, grown.beside())) << q;
    EXPECT_TRUE(found[q].stats.beside);
  }
}

TEST_P(ListedRowsOf, GiveEqualAnswersHoweverTheyCame) {
  const Grown grown = Index();
  const auto at_once = grown.AddAll();
  SearchParams params = grown.AllOf(*at_once);
  params.nprobe = 3;
  params.candidates = 60;
  params.rescore = 30;
  const auto expected = grown.Search(queries().view(), params);
  const auto half = grown.Add(nullptr, 0, 333);
  // Twice from the same beginning: the second must not disturb the first.
  for (const size_t step : {1U, 100U, 467U}) {
    std::shared_ptr<const ListedRows> listed = half;
    for (size_t begin = 333; begin < grown.beside(); begin += step) {
      listed = grown.Add(listed.get(), begin, std::min(begin + step, grown.beside()));
    }
    params.beside = listed.get();
    const auto found = grown.Search(queries().view(), params);
    for (size_t q = 0; q < found.size(); ++q) {
      EXPECT_EQ(found[q].neighbors, expected[q].neighbors) << step << " " << q;
      EXPECT_EQ(found[q].stats.distances, expected[q].stats.distances) << step << " " << q;
    }
  }
  // Those after the first 333 do not count, and leave no trace.
  params.beside = at_once.get();
  params.beside_count = 333;
  const auto cut = grown.Search(queries().view(), params);
  params.beside = half.get();
  const auto alone = grown.Search(queries().view(), params);
  for (size_t q = 0; q < cut.size(); ++q) {
    EXPECT_EQ(cut[q].neighbors, alone[q].neighbors) << q;
  }
}

TEST_P(ListedRowsOf, AreLeftOutWhereBarredOrNoRows) {
  const Grown grown = Index();
  std::vector<const float*> later;
  std::vector<uint64_t> present(grown.beside() / 64 + 1, 0);
  for (size_t i = 0; i < grown.beside(); ++i) {
    const bool row = i % 7 != 3;
    later.push_back(row ? rows().row(1500 + i) : nullptr);
    present[i / 64] |= uint64_t{row ? 1U : 0U} << (i % 64);
  }
  ASSERT_OK_AND_ASSIGN(const auto listed, grown.index().ListRows(nullptr, later, {}));
  SearchParams params = grown.AllOf(*listed);
  std::vector<uint64_t> allowed = testing::RandomBitmap(kSeed, grown.beside(), 0.6);
  params.beside_allowed = allowed.data();
  const auto found = grown.Search(queries().view(), params);
  for (size_t w = 0; w < present.size(); ++w) {
    present[w] &= w < allowed.size() ? allowed[w] : 0;
  }
  for (size_t q = 0; q < found.size(); ++q) {
    EXPECT_EQ(found[q].neighbors, grown.Exact(queries().row(q), 20, grown.beside(), present.data()))
        << q;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, ListedRowsOf,
    ::testing::Values(
        Kind{Metric::kL2, CodeType::kPq4, 24}, Kind{Metric::kInnerProduct, CodeType::kPq4, 33},
        Kind{Metric::kCosine, CodeType::kPq4, 100}, Kind{Metric::kL2, CodeType::kRabitq, 70},
        Kind{Metric::kCosine, CodeType::kRabitq, 100}, Kind{Metric::kL2, CodeType::kSq8, 64},
        Kind{Metric::kInnerProduct, CodeType::kSq8, 7}, Kind{Metric::kCosine, CodeType::kSq8, 48}),
    [](const auto& kind) {
      std::string name(MetricName(kind.param.metric));
      name.append(CodeTypeName(kind.param.codes)).append(std::to_string(kind.param.dim));
      return name;
    });

/// What searching at a target found and compared.
struct AtTarget {
  double recall = 0;
  double distances = 0;
};

AtTarget SearchAt(const Grown& grown, double target, MatrixView queries, size_t beside) {
  const TunedSearch tuned = TuneSearch(grown.curve(), {.k = 10, .target_recall = target});
  const auto listed = grown.Add(nullptr, 0, beside);
  SearchParams params;
  params.nprobe = tuned.effort;
  params.nprobe_is_default = true;
  params.candidates = tuned.candidates;
  params.rescore = tuned.rescore;
  params.beside = beside == 0 ? nullptr : listed.get();
  params.beside_count = beside;
  const auto found = grown.Search(queries, params);
  AtTarget at;
  for (size_t q = 0; q < found.size(); ++q) {
    at.recall +=
        testing::Recall(found[q].neighbors, grown.Exact(queries.row(q).data(), 10, beside)) /
        static_cast<double>(found.size());
    at.distances +=
        static_cast<double>(found[q].stats.distances) / static_cast<double>(found.size());
  }
  return at;
}

class ListedBlocks : public ::testing::TestWithParam<CodeType> {};

TEST_P(ListedBlocks, PromisesHoldForRealWordsAtTheirShareOfTheWork) {
  RealVectors data = testing::ShippedWords();
  data.PrepareFor(Metric::kCosine);
  const size_t own = data.base.rows() * 4 / 5;
  const Grown grown(data.base, own, Metric::kCosine, GetParam());
  const double share = static_cast<double>(grown.beside()) / static_cast<double>(own);
  for (const double target : {0.8, 0.9, 0.95, 0.98}) {
    const AtTarget rest = SearchAt(grown, target, data.queries.view(), 0);
    const AtTarget grew = SearchAt(grown, target, data.queries.view(), grown.beside());
    std::printf("[ recall] target %.2f: %.4f at rest, %.4f with %.0f%% more rows; %.0f, %.0f\n",
                target, rest.recall, grew.recall, 100 * share, rest.distances, grew.distances);
    const double hits = 10.0 * static_cast<double>(data.queries.rows()) / 3;
    EXPECT_GE(grew.recall, target - 3 * std::sqrt(target * (1 - target) / hits));
    // As many more lists, each with as many more rows, and later words are rarer ones: they crowd
    // into the lists of rare words.
    EXPECT_LE(grew.distances, rest.distances * (1 + 3 * share));
  }
}

/// Rows of a kind that the index has never seen: products know nothing of them, and bits little.
TEST_P(ListedBlocks, PromisesHoldWhereTheRowsAreOfAnotherKind) {
  constexpr size_t kOwn = 4000;
  constexpr size_t kListed = 1200;
  constexpr size_t kDim = 32;
  Matrix rows = testing::ClusteredMatrix(kSeed, kOwn, kDim, 40);
  const Matrix others = testing::ClusteredMatrix(kSeed + 7, kListed, kDim, 6);
  for (const float value : others.values) {
    rows.values.push_back(3 + 2 * value);
  }
  Matrix queries = testing::ClusteredMatrix(kSeed + 7, kListed + 100, kDim, 6);
  queries.values.erase(queries.values.begin(),
                       queries.values.begin() + std::ptrdiff_t{kListed * kDim});
  for (float& value : queries.values) {
    value = 3 + 2 * value;
  }
  const Grown grown(rows, kOwn, Metric::kL2, GetParam());
  const AtTarget at = SearchAt(grown, 0.9, queries.view(), grown.beside());
  std::printf("[ recall] seed %zu: %.4f\n", static_cast<size_t>(kSeed), at.recall);
  EXPECT_GE(at.recall, 0.9);
}

TEST_P(ListedBlocks, AnswersOfBatchesDoNotDependOnTheirSplit) {
  const Matrix rows = testing::ClusteredMatrix(kSeed, 3000, 40, 30);
  const Matrix queries = testing::ClusteredMatrix(kSeed + 1, 40, 40, 30);
  const Grown grown(rows, 2000, Metric::kL2, GetParam());
  const auto listed = grown.AddAll();
  SearchParams params;
  params.beside = listed.get();
  params.beside_count = listed->size();
  const auto together = grown.Search(queries.view(), params);
  for (size_t q = 0; q < queries.rows(); ++q) {
    EXPECT_EQ(grown.Search(queries.view(q, q + 1), params)[0].neighbors, together[q].neighbors);
  }
  // Queries that share scans do not look at them, and say so.
  params.share_scan = true;
  for (const SearchOutcome& outcome : grown.Search(queries.view(), params)) {
    EXPECT_FALSE(outcome.stats.beside);
  }
}

INSTANTIATE_TEST_SUITE_P(Codes, ListedBlocks, ::testing::Values(CodeType::kPq4, CodeType::kRabitq),
                         [](const auto& test) { return std::string(CodeTypeName(test.param)); });

TEST(ListedRowsTest, KindsWithoutListsOrBytesRefuse) {
  const Matrix rows = testing::GaussianMatrix(kSeed, 300, 16);
  for (const CodeType codes : {CodeType::kF32, CodeType::kBf16, CodeType::kSq4}) {
    const Grown grown(rows, 300, Metric::kL2, codes);
    EXPECT_FALSE(grown.index().lists_rows());
    EXPECT_THAT(grown.index().ListRows(nullptr, {}, {}).status(),
                StatusIs(StatusCode::kUnimplemented));
  }
}

TEST(ListedRowsTest, ListingIsCancelled) {
  const Matrix rows = testing::GaussianMatrix(kSeed, 500, 16);
  const Grown grown(rows, 300, Metric::kL2, CodeType::kPq4);
  CancelToken cancel;
  cancel.Cancel();
  CallControl control;
  control.cancel = &cancel;
  const std::vector<const float*> some(100, rows.row(300));
  EXPECT_THAT(grown.index().ListRows(nullptr, some, control).status(),
              StatusIs(StatusCode::kCancelled));
}

}  // namespace
}  // namespace leadline::index
