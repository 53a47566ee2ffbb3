// Filters that searches of lists repeat: what the index keeps of one changes the cost of an answer,
// never the answer; matches away from the query are found as surely as all rows are.

#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "index_test_data.h"
#include "leadline/index/held_out_rows.h"
#include "leadline/index/ivf.h"
#include "leadline/index/search_curve.h"
#include "leadline/index/search_tuning.h"
#include "real_vectors.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using testing::Matrix;
using testing::RealVectors;

constexpr uint64_t kSeed = 20261128;

/// An opened index over all rows of a matrix.
class Built {
 public:
  Built(const Matrix& rows, Metric metric, CodeType codes)
      : rows_(rows), metric_(metric), codes_(codes), mapped_(Sections()) {
    auto opened = IvfIndexFactory().Open(mapped_.views(), rows.view(), metric);
    EXPECT_OK(opened);
    index_ = std::move(opened).value();
  }

  [[nodiscard]] const SegmentIndex& index() const { return *index_; }

  [[nodiscard]] std::vector<SearchOutcome> Search(MatrixView queries,
                                                  const SearchParams& params) const {
    std::vector<SearchOutcome> out(queries.rows);
    EXPECT_OK(index_->Search(queries, params, out));
    return out;
  }

  /// What a target of .95 comes to.
  [[nodiscard]] SearchParams Promised() const {
    const auto held_out = DrawHeldOutRows(rows_.view(), metric_, 1, nullptr, {});
    EXPECT_OK(held_out);
    const auto curve = MeasureCurve(*index_, codes_, rows_.view(), *held_out, nullptr, {});
    EXPECT_OK(curve);
    SearchWish wish;
    wish.target_recall = 0.95;
    const TunedSearch tuned = TuneSearch(*curve, wish);
    SearchParams params;
    params.nprobe = tuned.effort;
    params.nprobe_is_default = true;
    params.candidates = tuned.candidates;
    params.rescore = tuned.rescore;
    return params;
  }

 private:
  [[nodiscard]] std::vector<Section> Sections() const {
    BuildOptions options;
    options.metric = metric_;
    options.codes = codes_;
    auto built = IvfIndexFactory().Build(rows_.view(), options);
    EXPECT_OK(built);
    return std::move(built).value();
  }

  const Matrix& rows_;
  const Metric metric_;
  const CodeType codes_;
  testing::MappedSections mapped_;
  std::unique_ptr<SegmentIndex> index_;
};

/// The rows of a filter and room for what an index makes of them.
struct Repeated {
  std::vector<uint64_t> rows;
  FilterSlot slot;
  RepeatedFilter filter;

  Repeated(std::vector<uint64_t> words, size_t row_count)
      : rows(std::move(words)), filter{rows.data(), testing::CountBits(rows, row_count), &slot} {}

  void PutInto(SearchParams* params) const {
    params->allowed = filter.rows;
    params->allowed_count = filter.count;
    params->filter = &filter;
  }
};

std::vector<uint64_t> RowsThat(size_t rows, const std::function<bool(size_t row)>& pass) {
  std::vector<uint64_t> words((rows + 63) / 64, 0);
  for (size_t i = 0; i < rows; ++i) {
    words[i >> 6] |= uint64_t{pass(i)} << (i & 63);
  }
  return words;
}

/// Roughly the direction in which rows differ most, by repeated multiplication with the rows.
std::vector<float> PrincipalAxis(const Matrix& rows) {
  const size_t dim = rows.dim;
  std::vector<double> mean(dim, 0.0);
  for (size_t i = 0; i < rows.rows(); ++i) {
    for (size_t d = 0; d < dim; ++d) {
      mean[d] += rows.row(i)[d] / static_cast<double>(rows.rows());
    }
  }
  std::vector<double> axis(dim, 1.0);
  for (int round = 0; round < 20; ++round) {
    std::vector<double> next(dim, 0.0);
    for (size_t i = 0; i < rows.rows(); ++i) {
      double along = 0;
      for (size_t d = 0; d < dim; ++d) {
        along += (rows.row(i)[d] - mean[d]) * axis[d];
      }
      for (size_t d = 0; d < dim; ++d) {
        next[d] += along * (rows.row(i)[d] - mean[d]);
      }
    }
    double norm = 0;
    for (const double value : next) {
      norm += value * value;
    }
    for (size_t d = 0; d < dim; ++d) {
      axis[d] = next[d] / std::sqrt(norm);
    }
  }
  return {axis.begin(), axis.end()};
}

float Along(const float* row, const std::vector<float>& axis) {
  float sum = 0;
  for (size_t d = 0; d < axis.size(); ++d) {
    sum += row[d] * axis[d];
  }
  return sum;
}

/// The rows of one end of the principal axis, `share` of all.
std::vector<uint64_t> EndOf(const Matrix& rows, const std::vector<float>& axis, double share,
                            bool upper) {
  std::vector<float> places;
  for (size_t i = 0; i < rows.rows(); ++i) {
    places.push_back(Along(rows.row(i), axis));
  }
  std::vector<float> sorted = places;
  std::sort(sorted.begin(), sorted.end());
  const auto count = static_cast<size_t>(share * static_cast<double>(rows.rows()));
  const float bound = upper ? sorted[sorted.size() - count] : sorted[count];
  return RowsThat(rows.rows(),
                  [&](size_t i) { return upper ? places[i] >= bound : places[i] < bound; });
}

struct Kind {
  Metric metric;
  CodeType codes;
};

class FilteredListsTest : public ::testing::TestWithParam<Kind> {
 protected:
  static constexpr size_t kRows = 6000;
  static constexpr size_t kDim = 24;

  void SetUp() override {
    rows_ = testing::ClusteredMatrix(kSeed, kRows, kDim, 30);
    queries_ = testing::ClusteredMatrix(kSeed + 2, 30, kDim, 30);
    if (GetParam().metric == Metric::kCosine) {
      testing::NormalizeRows(&rows_);
      testing::NormalizeRows(&queries_);
    }
    built_.emplace(rows_, GetParam().metric, GetParam().codes);
  }

  /// Name and rows.
  [[nodiscard]] std::vector<std::pair<std::string, std::vector<uint64_t>>> Filters() const {
    const std::vector<float> axis = PrincipalAxis(rows_);
    const auto near = testing::BruteForce(rows_.view(), rows_.row(0), GetParam().metric, 900);
    std::vector<uint64_t> around(RowsThat(kRows, [](size_t) { return false; }));
    for (const Neighbor& row : near) {
      around[row.row >> 6] |= uint64_t{1} << (row.row & 63);
    }
    return {{"random half", testing::RandomBitmap(kSeed, kRows, 0.5)},
            {"random tenth", testing::RandomBitmap(kSeed, kRows, 0.1)},
            {"upper half", EndOf(rows_, axis, 0.5, true)},
            {"lower fifth", EndOf(rows_, axis, 0.2, false)},
            {"around one row", around},
            {"one row", RowsThat(kRows, [](size_t i) { return i == 4321; })},
            {"none", RowsThat(kRows, [](size_t) { return false; })},
            {"all", RowsThat(kRows, [](size_t) { return true; })}};
  }

  /// Lists whatever they cost.
  static SearchParams Probing(size_t nprobe) {
    SearchParams params;
    params.nprobe = nprobe;
    params.candidates = 60;
    params.rescore = 20;
    params.never_scan_instead = true;
    return params;
  }

  void ExpectSound(const std::vector<SearchOutcome>& found, const uint64_t* allowed) const {
    for (size_t q = 0; q < found.size(); ++q) {
      EXPECT_TRUE(std::is_sorted(found[q].neighbors.begin(), found[q].neighbors.end()));
      for (const Neighbor& neighbor : found[q].neighbors) {
        EXPECT_TRUE(IsAllowed(allowed, neighbor.row)) << neighbor.row;
        EXPECT_NEAR(neighbor.distance,
                    testing::BruteDistance(queries_.row(q), rows_.row(neighbor.row), kDim,
                                           GetParam().metric),
                    1e-3);
      }
    }
  }

  void ExpectEqual(const std::vector<SearchOutcome>& found,
                   const std::vector<SearchOutcome>& expected, const std::string& when) const {
    for (size_t q = 0; q < found.size(); ++q) {
      EXPECT_EQ(found[q].neighbors, expected[q].neighbors) << when << ", query " << q;
      EXPECT_EQ(found[q].stats.distances, expected[q].stats.distances) << when << ", query " << q;
    }
  }

  [[nodiscard]] std::vector<uint32_t> Exact(size_t q, const uint64_t* allowed) const {
    std::vector<uint32_t> rows;
    for (const Neighbor& neighbor :
         testing::BruteForce(rows_.view(), queries_.row(q), GetParam().metric, 10, allowed)) {
      rows.push_back(neighbor.row);
    }
    return rows;
  }

  static std::vector<uint32_t> RowsOf(const SearchOutcome& outcome) {
    std::vector<uint32_t> rows;
    for (const Neighbor& neighbor : outcome.neighbors) {
      rows.push_back(neighbor.row);
    }
    return rows;
  }

  Matrix rows_;
  Matrix queries_;
  std::optional<Built> built_;
};

TEST_P(FilteredListsTest, AnswersDoNotDependOnHowOftenAFilterWasSearched) {
  for (const auto& [name, rows] : Filters()) {
    SCOPED_TRACE(name);
    const Repeated filter(rows, kRows);
    SearchParams params = Probing(6);
    filter.PutInto(&params);
    const auto first = built_->Search(queries_.view(), params);
    ExpectSound(first, rows.data());
    for (int round = 0; round < 3; ++round) {
      ExpectEqual(built_->Search(queries_.view(), params), first, "again");
    }
    const Repeated fresh(rows, kRows);
    fresh.PutInto(&params);
    for (size_t q = queries_.rows(); q-- > 0;) {
      const auto alone = built_->Search(queries_.view(q, q + 1), params);
      ExpectEqual(alone, {first[q]}, "alone and first");
    }
  }
}

TEST_P(FilteredListsTest, FindsEveryMatchWithAllLists) {
  for (const auto& [name, rows] : Filters()) {
    SCOPED_TRACE(name);
    const Repeated filter(rows, kRows);
    SearchParams params = Probing(built_->index().shape().lists);
    params.candidates = kRows;
    params.rescore = kRows;
    filter.PutInto(&params);
    for (int round = 0; round < 2; ++round) {
      const auto found = built_->Search(queries_.view(), params);
      for (size_t q = 0; q < found.size(); ++q) {
        EXPECT_EQ(RowsOf(found[q]), Exact(q, rows.data()));
      }
    }
  }
}

TEST_P(FilteredListsTest, RowsThatAreNoLongerAllowedDoNotComeBack) {
  for (const auto& [name, rows] : Filters()) {
    SCOPED_TRACE(name);
    const Repeated filter(rows, kRows);
    SearchParams params = Probing(6);
    filter.PutInto(&params);
    ExpectSound(built_->Search(queries_.view(), params), rows.data());
    // Those found first are gone now, and three in ten of all.
    std::vector<uint64_t> left = testing::RandomBitmap(kSeed + 9, kRows, 0.7);
    for (const SearchOutcome& outcome : built_->Search(queries_.view(), params)) {
      for (const Neighbor& neighbor : outcome.neighbors) {
        left[neighbor.row >> 6] &= ~(uint64_t{1} << (neighbor.row & 63));
      }
    }
    for (size_t w = 0; w < left.size(); ++w) {
      left[w] &= rows[w];
    }
    params.allowed = left.data();
    params.allowed_count = testing::CountBits(left, kRows);
    const auto found = built_->Search(queries_.view(), params);
    ExpectSound(found, left.data());
    const Repeated fresh(rows, kRows);
    params.filter = &fresh.filter;
    ExpectEqual(built_->Search(queries_.view(), params), found, "a fresh filter");
    params.nprobe = built_->index().shape().lists;
    params.candidates = kRows;
    params.rescore = kRows;
    const auto all = built_->Search(queries_.view(), params);
    for (size_t q = 0; q < all.size(); ++q) {
      EXPECT_EQ(RowsOf(all[q]), Exact(q, left.data()));
    }
  }
}

TEST_P(FilteredListsTest, ThreadsShareAFilterThatNobodySearchedBefore) {
  for (const auto& [name, rows] : Filters()) {
    SCOPED_TRACE(name);
    SearchParams params = Probing(6);
    const Repeated alone(rows, kRows);
    alone.PutInto(&params);
    const auto expected = built_->Search(queries_.view(), params);
    const Built other(rows_, GetParam().metric, GetParam().codes);
    const Repeated shared(rows, kRows);
    shared.PutInto(&params);
    std::array<std::vector<SearchOutcome>, 3> found;
    std::vector<std::thread> threads;
    threads.reserve(found.size());
    for (auto& own : found) {
      threads.emplace_back([&] { own = other.Search(queries_.view(), params); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (const auto& own : found) {
      ExpectEqual(own, expected, "on several threads");
    }
  }
}

TEST_P(FilteredListsTest, ExactSearchesAnswerAlikeHoweverOftenAFilterCame) {
  for (const double share : {0.002, 0.02, 0.06, 0.4}) {
    SCOPED_TRACE(share);
    const std::vector<uint64_t> rows = testing::RandomBitmap(kSeed + 5, kRows, share);
    const Repeated filter(rows, kRows);
    std::vector<uint64_t> left = testing::RandomBitmap(kSeed + 6, kRows, 0.8);
    for (size_t w = 0; w < left.size(); ++w) {
      left[w] &= rows[w];
    }
    SearchParams params;
    filter.PutInto(&params);
    std::vector<SearchOutcome> found(queries_.rows());
    for (int round = 0; round < 12; ++round) {
      if (round == 10) {  // rows are deleted
        params.allowed = left.data();
        params.allowed_count = testing::CountBits(left, kRows);
      }
      ASSERT_OK(built_->index().SearchExact(queries_.view(), params, found));
      for (size_t q = 0; q < found.size(); ++q) {
        ASSERT_EQ(RowsOf(found[q]), Exact(q, params.allowed)) << "round " << round;
      }
    }
    // Codes of the matches are the largest part.
    const PreparedFilter* kept = filter.slot.get();
    EXPECT_LE(kept == nullptr ? 0 : kept->resident_bytes(), 8 * kRows + 2048);
  }
}

TEST_P(FilteredListsTest, ExactSearchesOfThreadsShareAFilter) {
  const Repeated filter(testing::RandomBitmap(kSeed + 5, kRows, 0.03), kRows);
  SearchParams params;
  filter.PutInto(&params);
  std::array<std::vector<SearchOutcome>, 3> found;
  std::vector<std::thread> threads;
  threads.reserve(found.size());
  for (auto& own : found) {
    own.resize(queries_.rows());
    threads.emplace_back([&] {
      for (size_t q = 0; q < own.size(); ++q) {
        EXPECT_OK(built_->index().SearchExact(queries_.view(q, q + 1), params, {&own[q], 1}));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (size_t q = 0; q < queries_.rows(); ++q) {
    for (const auto& own : found) {
      EXPECT_EQ(RowsOf(own[q]), Exact(q, filter.filter.rows));
    }
  }
}

TEST_P(FilteredListsTest, KeepsLittleOfAFilter) {
  if (GetParam().codes == CodeType::kF32) {
    return;  // nothing is kept
  }
  const size_t lists = built_->index().shape().lists;
  for (const auto& [name, rows] : Filters()) {
    const Repeated filter(rows, kRows);
    SearchParams params = Probing(6);
    filter.PutInto(&params);
    ExpectSound(built_->Search(queries_.view(), params), rows.data());
    const PreparedFilter* kept = filter.slot.get();
    ASSERT_NE(kept, nullptr) << name;
    const bool blocks = GetParam().codes == CodeType::kPq4 || GetParam().codes == CodeType::kRabitq;
    EXPECT_LE(kept->resident_bytes(),
              kRows / 8 + (blocks ? 8 * kRows + 8 * lists : 0) + lists * (8 + 4 + 64 + 44) + 4096)
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Codes, FilteredListsTest,
                         ::testing::Values(Kind{Metric::kL2, CodeType::kPq4},
                                           Kind{Metric::kCosine, CodeType::kPq4},
                                           Kind{Metric::kInnerProduct, CodeType::kPq4},
                                           Kind{Metric::kL2, CodeType::kRabitq},
                                           Kind{Metric::kCosine, CodeType::kRabitq},
                                           Kind{Metric::kL2, CodeType::kSq8},
                                           Kind{Metric::kInnerProduct, CodeType::kSq8},
                                           Kind{Metric::kL2, CodeType::kF32}),
                         [](const auto& tested) {
                           return std::string(MetricName(tested.param.metric)) + "_" +
                                  std::string(CodeTypeName(tested.param.codes));
                         });

/// Under a filter that passes `share` of the rows, at the end of the principal axis that the query
/// is not at.
struct Opposed {
  double share;
  double recall;
  double most_compared;  ///< share of the rows, on average
};

void ExpectOpposed(RealVectors data, CodeType codes, const std::vector<Opposed>& expected) {
  data.PrepareFor(Metric::kCosine);
  const Built built(data.base, Metric::kCosine, codes);
  const SearchParams promised = built.Promised();
  const std::vector<float> axis = PrincipalAxis(data.base);
  const std::vector<uint64_t> upper_half = EndOf(data.base, axis, 0.5, true);
  float middle = std::numeric_limits<float>::max();
  for (size_t i = 0; i < data.base.rows(); ++i) {
    if (IsAllowed(upper_half.data(), i)) {
      middle = std::min(middle, Along(data.base.row(i), axis));
    }
  }
  for (const Opposed& bound : expected) {
    const Repeated lower(EndOf(data.base, axis, bound.share, false), data.base.rows());
    const Repeated upper(EndOf(data.base, axis, bound.share, true), data.base.rows());
    double recall = 0;
    double compared = 0;
    for (size_t q = 0; q < data.queries.rows(); ++q) {
      const Repeated& filter = Along(data.queries.row(q), axis) < middle ? upper : lower;
      SearchParams params = promised;
      filter.PutInto(&params);
      const SearchOutcome found = built.Search(data.queries.view(q, q + 1), params)[0];
      recall += testing::Recall(found.neighbors,
                                testing::BruteForce(data.base.view(), data.queries.row(q),
                                                    Metric::kCosine, 10, filter.rows.data()));
      compared += static_cast<double>(found.stats.distances);
    }
    recall /= static_cast<double>(data.queries.rows());
    compared /= static_cast<double>(data.queries.rows() * data.base.rows());
    std::printf("[ recall] %s, %g opposed: %.4f, %.1f%% of the rows compared\n",
                CodeTypeName(codes).data(), bound.share, recall, 100 * compared);
    EXPECT_GE(recall, bound.recall) << bound.share;
    EXPECT_LE(compared, bound.most_compared) << bound.share;
  }
}

TEST(FilteredLists, FindShippedVectorsOnTheOtherSide) {
  ExpectOpposed(testing::ShippedWords(), CodeType::kPq4, {{0.5, 0.95, 0.4}});
  ExpectOpposed(testing::ShippedWords(), CodeType::kRabitq, {{0.5, 0.95, 0.4}});
  ExpectOpposed(testing::ShippedWords(), CodeType::kSq8, {{0.5, 0.95, 0.26}});
}

TEST(FilteredLists, FindAllVectorsOnTheOtherSide) {
  RealVectors data = testing::AllWords();
  if (data.base.rows() == 0) {
    GTEST_SKIP() << "../shared/data/glove-wink-100k is absent";
  }
  ExpectOpposed(std::move(data), CodeType::kPq4, {{0.5, 0.95, 0.24}, {0.1, 0.95, 0.1}});
}

}  // namespace
}  // namespace leadline::index
