#include "leadline/index/code_scan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "leadline/index/coded_matches.h"
#include "leadline/index/scan.h"
#include "real_vectors.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using leadline::testing::StatusIs;
using testing::CountBits;
using testing::GaussianMatrix;
using testing::MappedSections;
using testing::Matrix;
using testing::NormalizeRows;
using testing::RandomBitmap;
using testing::RealVectors;
using testing::ShippedWords;

constexpr uint64_t kSeed = 20'250'901;
constexpr Metric kMetrics[] = {Metric::kL2, Metric::kInnerProduct, Metric::kCosine};

/// Rows with their codes, in the order of the rows or in another.
class Coded {
 public:
  Coded(const Matrix& base, Metric metric, CodeType codes, const std::vector<uint32_t>& order = {})
      : base_(base), metric_(metric), order_(order) {
    Result<std::string> bytes =
        EncodeRowCodes(base.view(), metric, codes, nullptr, CallControl(), order);
    EXPECT_OK(bytes);
    mapped_.Add(kRowCodesSection, bytes.value());
    Result<RowCodes> opened =
        RowCodes::Open(mapped_.views()[0].bytes, base.rows(), base.dim, metric);
    EXPECT_OK(opened);
    codes_ = opened.value();
    position_of_.resize(order.size());
    for (uint32_t at = 0; at < order.size(); ++at) {
      position_of_[order[at]] = at;
    }
  }

  [[nodiscard]] std::vector<SearchOutcome> Search(MatrixView queries,
                                                  const SearchParams& params) const {
    std::vector<SearchOutcome> out(queries.rows);
    EXPECT_OK(ScanCodedRows({codes_, base_.view(), order_, position_of_}, queries, params, out));
    return out;
  }

  [[nodiscard]] Status Try(MatrixView queries, const SearchParams& params) const {
    std::vector<SearchOutcome> out(queries.rows);
    return ScanCodedRows({codes_, base_.view(), order_, position_of_}, queries, params, out);
  }

  [[nodiscard]] CodedRows rows() const { return {codes_, base_.view(), order_, position_of_}; }

  [[nodiscard]] Status TryMatches(const CodedMatches& matches, MatrixView queries,
                                  const SearchParams& params,
                                  std::vector<SearchOutcome>* out) const {
    out->assign(queries.rows, {});
    return ScanCodedMatches(rows(), matches, queries, params, *out);
  }

  /// By the codes of the rows of params.filter.
  void ExpectExactOfMatches(MatrixView queries, const SearchParams& params) const {
    const CodedMatches matches(rows(), params.filter->rows);
    std::vector<SearchOutcome> found;
    ASSERT_OK(TryMatches(matches, queries, params, &found));
    const std::vector<SearchOutcome> truth = Scan(queries, params);
    for (size_t q = 0; q < queries.rows; ++q) {
      ASSERT_EQ(found[q].neighbors, truth[q].neighbors) << "query " << q << " k=" << params.k;
      ASSERT_TRUE(found[q].stats.scanned);
    }
  }

  /// The same under a filter that every row passes. REQUIRES: sq8.
  void ExpectExactOfAllMatches(MatrixView queries, SearchParams params) const {
    const std::vector<uint64_t> words((base_.rows() + 63) / 64, ~uint64_t{0});
    const RepeatedFilter filter{words.data(), base_.rows(), nullptr};
    params.allowed = words.data();
    params.allowed_count = base_.rows();
    params.filter = &filter;
    ExpectExactOfMatches(queries, params);
  }

  /// The oracle: every allowed row in full precision.
  [[nodiscard]] std::vector<SearchOutcome> Scan(MatrixView queries,
                                                const SearchParams& params) const {
    std::vector<SearchOutcome> out;
    for (size_t q = 0; q < queries.rows; ++q) {
      TopK top(params.k);
      EXPECT_OK(ScanRows(base_.view(), queries.row(q), metric_, params.allowed, 0, CallControl(),
                         &top, nullptr));
      out.push_back({top.Take(), {}});
    }
    return out;
  }

  void ExpectExact(MatrixView queries, const SearchParams& params) const {
    const std::vector<SearchOutcome> found = Search(queries, params);
    const std::vector<SearchOutcome> truth = Scan(queries, params);
    for (size_t q = 0; q < queries.rows; ++q) {
      ASSERT_EQ(found[q].neighbors, truth[q].neighbors) << "query " << q << " k=" << params.k;
      ASSERT_TRUE(found[q].stats.scanned);
    }
  }

 private:
  const Matrix& base_;
  const Metric metric_;
  const std::vector<uint32_t> order_;
  std::vector<uint32_t> position_of_;
  MappedSections mapped_{std::vector<Section>()};
  RowCodes codes_;
};

// ---- Data that makes codes err: each shapes Gaussian rows, queries follow ----

using Shaper = void (*)(Matrix* rows, Rng* rng);

void LeaveAsTheyAre(Matrix* /*rows*/, Rng* /*rng*/) {}

void MakeDimensionsConstant(Matrix* rows, Rng* rng) {
  const size_t every = 1 + rng->Uniform(3);
  for (size_t i = 0; i < rows->values.size(); ++i) {
    if (i % rows->dim % (every + 1) != 0) {
      rows->values[i] = 7.25F;
    }
  }
}

void Repeat(Matrix* rows, Rng* rng) {
  const size_t distinct = 1 + rng->Uniform(5);
  for (size_t i = distinct * rows->dim; i < rows->values.size(); ++i) {
    rows->values[i] = rows->values[i - distinct * rows->dim];
  }
}

/// All near one row, far nearer than the steps of their codes.
void Crowd(Matrix* rows, Rng* rng) {
  const auto spread = static_cast<float>(std::pow(10.0, -2.0 - 5.0 * rng->UniformDouble()));
  for (size_t i = rows->dim; i < rows->values.size(); ++i) {
    rows->values[i] = rows->values[i % rows->dim] + spread * rows->values[i];
  }
}

void MakeHuge(Matrix* rows, Rng* /*rng*/) {
  for (float& value : rows->values) {
    value = std::clamp(value * 3e14F, -kMaxComponent, kMaxComponent);
  }
}

/// Norms over thirty orders of magnitude.
void SpreadNorms(Matrix* rows, Rng* rng) {
  for (size_t r = 0; r < rows->rows(); ++r) {
    const auto factor = static_cast<float>(std::pow(10.0, 30.0 * rng->UniformDouble() - 16.0));
    for (size_t i = 0; i < rows->dim; ++i) {
      float& value = rows->values[r * rows->dim + i];
      value = std::clamp(value * factor, -kMaxComponent, kMaxComponent);
    }
  }
}

void MakeDenormal(Matrix* rows, Rng* /*rng*/) {
  for (float& value : rows->values) {
    value *= 1e-40F;
  }
}

void MakeTiny(Matrix* rows, Rng* /*rng*/) {
  for (float& value : rows->values) {
    value *= 1e-19F;
  }
}

void AddOutlier(Matrix* rows, Rng* rng) {
  const size_t row = rng->Uniform(rows->rows());
  for (size_t i = 0; i < rows->dim; ++i) {
    rows->values[row * rows->dim + i] *= 1e6F;
  }
}

void MakeEqual(Matrix* rows, Rng* /*rng*/) {
  for (size_t i = rows->dim; i < rows->values.size(); ++i) {
    rows->values[i] = rows->values[i % rows->dim];
  }
}

/// One value far above the others: the steps of a row's code are coarse for all the rest.
void AddPeaks(Matrix* rows, Rng* rng) {
  for (size_t r = 0; r < rows->rows(); ++r) {
    rows->values[r * rows->dim + rng->Uniform(rows->dim)] *= 100.0F;
  }
}

constexpr Shaper kShapers[] = {
    LeaveAsTheyAre, MakeDimensionsConstant, Repeat,   Crowd,      MakeHuge,
    SpreadNorms,    MakeDenormal,           MakeTiny, AddOutlier, MakeEqual,
    AddPeaks};

/// Strangers of the same shape, rows themselves, points between two rows, and zero.
Matrix QueriesFor(const Matrix& base, size_t count, Shaper shape, Rng* rng) {
  Matrix queries = GaussianMatrix(rng->Uniform(1'000'000), count, base.dim);
  shape(&queries, rng);
  for (size_t q = 0; q < count; ++q) {
    float* query = queries.values.data() + q * base.dim;
    const float* a = base.row(rng->Uniform(base.rows()));
    const float* b = base.row(rng->Uniform(base.rows()));
    const uint64_t kind = rng->Uniform(8);
    for (size_t i = 0; i < base.dim && kind < 5; ++i) {
      query[i] = kind == 0 ? a[i] : kind == 1 ? 0.0F : a[i] / 2 + b[i] / 2;
    }
  }
  return queries;
}

std::vector<uint32_t> RandomOrder(size_t rows, Rng* rng) {
  std::vector<uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0U);
  for (size_t i = rows; i > 1; --i) {
    std::swap(order[i - 1], order[rng->Uniform(i)]);
  }
  return order;
}

class CodeScan : public ::testing::TestWithParam<CodeType> {};

TEST_P(CodeScan, EqualsAScanOfTheVectorsBitForBit) {
  constexpr size_t kDims[] = {1, 2, 3, 7, 24, 31, 63, 64, 65, 100, 128, 130, 384, 777, 1100};
  constexpr size_t kBatches[] = {1, 7, 33, 70};
  constexpr double kShares[] = {1.0, 0.9, 0.5, 0.05, 0.002};
  for (uint64_t round = 0; round < 220; ++round) {
    const uint64_t seed = kSeed + round;
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    const Shaper shape = kShapers[round % std::size(kShapers)];
    const Metric metric = kMetrics[rng.Uniform(std::size(kMetrics))];
    const size_t dim =
        rng.Uniform(4) == 0 ? 1 + rng.Uniform(1100) : kDims[rng.Uniform(std::size(kDims))];
    const size_t rows = 1 + rng.Uniform(dim > 400 ? 300 : 2500);
    Matrix base = GaussianMatrix(seed, rows, dim);
    shape(&base, &rng);
    Matrix queries = QueriesFor(base, kBatches[rng.Uniform(std::size(kBatches))], shape, &rng);
    if (metric == Metric::kCosine) {
      NormalizeRows(&base);
      NormalizeRows(&queries);
    }
    const Coded coded(base, metric, GetParam(),
                      rng.Uniform(2) == 0 ? std::vector<uint32_t>() : RandomOrder(rows, &rng));
    SearchParams params;
    params.k = rng.Uniform(5) == 0 ? rows + 3 : 1 + rng.Uniform(30);
    const double share = kShares[rng.Uniform(std::size(kShares))];
    const std::vector<uint64_t> allowed = RandomBitmap(seed, rows, share);
    if (share < 1) {
      params.allowed = allowed.data();
      params.allowed_count = CountBits(allowed, rows);
    }
    coded.ExpectExact(queries.view(), params);
    if (::testing::Test::HasFatalFailure()) {
      return;
    }
  }
}

TEST_P(CodeScan, AnswersAndWorkDoNotDependOnHowABatchIsSplit) {
  Matrix base = testing::ClusteredMatrix(kSeed, 5000, 40, 20);
  Rng rng(kSeed);
  // Enough near-ties that rows pile up and full precision has to part them on the way.
  for (size_t i = 1000 * base.dim; i < base.values.size(); ++i) {
    base.values[i] = base.values[i % base.dim] + 1e-4F * base.values[i];
  }
  const Matrix queries = QueriesFor(base, 1000, LeaveAsTheyAre, &rng);
  const Coded coded(base, Metric::kL2, GetParam());
  SearchParams params;
  const std::vector<SearchOutcome> whole = coded.Search(queries.view(), params);
  for (const size_t split : {size_t{1}, size_t{5}, size_t{6}, size_t{7}, size_t{33}, size_t{130}}) {
    for (size_t begin = 0; begin < queries.rows(); begin += split * 7) {
      const size_t end = std::min(queries.rows(), begin + split);
      const std::vector<SearchOutcome> part = coded.Search(queries.view(begin, end), params);
      for (size_t q = 0; q < part.size(); ++q) {
        ASSERT_EQ(part[q].neighbors, whole[begin + q].neighbors) << split;
        ASSERT_EQ(part[q].stats.rescored, whole[begin + q].stats.rescored) << split;
        ASSERT_EQ(part[q].stats.distances, whole[begin + q].stats.distances) << split;
      }
    }
  }
  coded.ExpectExact(queries.view(0, 100), params);
}

/// Rows whose codes hold them exactly, the mean being zero: what is wrong with an estimate comes
/// from the query alone.
TEST_P(CodeScan, CountsWhatTheCodeOfAQueryLoses) {
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    Rng rng(kSeed);
    constexpr size_t kDim = 3;
    Matrix base{{}, kDim};
    for (size_t pair = 0; pair < 500; ++pair) {
      const float row[] = {127.0F, static_cast<float>(rng.Uniform(255)) - 127.0F,
                           static_cast<float>(rng.Uniform(255)) - 127.0F};
      for (const float sign : {1.0F, -1.0F}) {
        for (const float value : row) {
          base.values.push_back(sign * value);
        }
      }
    }
    Matrix queries{{}, kDim};
    for (size_t q = 0; q < 50; ++q) {
      queries.values.push_back(10'000.0F);
      queries.values.push_back(static_cast<float>(rng.Uniform(160)) - 80.0F);
      queries.values.push_back(static_cast<float>(rng.Uniform(160)) - 80.0F);
    }
    SearchParams params;
    params.k = 3;
    const Coded coded(base, metric, GetParam());
    for (size_t batch : {size_t{1}, size_t{50}}) {
      coded.ExpectExact(queries.view(0, batch), params);
    }
    if (GetParam() == CodeType::kSq8) {
      coded.ExpectExactOfAllMatches(queries.view(), params);
    }
  }
}

/// Queries that their codes hold exactly: what is wrong comes from the rows alone.
TEST_P(CodeScan, CountsWhatTheCodeOfARowLoses) {
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    Rng rng(kSeed + 1);
    constexpr size_t kDim = 3;
    Matrix base{{}, kDim};
    for (size_t pair = 0; pair < 500; ++pair) {
      const float row[] = {1000.0F, static_cast<float>(rng.UniformDouble() * 200.0 - 100.0),
                           static_cast<float>(rng.UniformDouble() * 200.0 - 100.0)};
      for (const float sign : {1.0F, -1.0F}) {
        for (const float value : row) {
          base.values.push_back(sign * value);
        }
      }
    }
    Matrix queries{{}, kDim};
    for (size_t q = 0; q < 50; ++q) {
      queries.values.push_back(127.0F);
      queries.values.push_back(static_cast<float>(rng.Uniform(255)) - 127.0F);
      queries.values.push_back(static_cast<float>(rng.Uniform(255)) - 127.0F);
    }
    SearchParams params;
    params.k = 3;
    const Coded coded(base, metric, GetParam());
    for (size_t batch : {size_t{1}, size_t{50}}) {
      coded.ExpectExact(queries.view(0, batch), params);
    }
    if (GetParam() == CodeType::kSq8) {
      coded.ExpectExactOfAllMatches(queries.view(), params);
    }
  }
}

TEST_P(CodeScan, RescoresFewRowsOfRealVectors) {
  const RealVectors words = ShippedWords();
  ASSERT_GT(words.base.rows(), 0U);
  for (const Metric metric : kMetrics) {
    RealVectors data = words;
    data.PrepareFor(metric);
    const Coded coded(data.base, metric, GetParam());
    const SearchParams params;
    double rescored = 0;
    uint64_t most = 0;
    for (const SearchOutcome& outcome : coded.Search(data.queries.view(), params)) {
      rescored += static_cast<double>(outcome.stats.rescored);
      most = std::max(most, outcome.stats.rescored);
      EXPECT_EQ(outcome.stats.distances, data.base.rows() + outcome.stats.rescored);
    }
    rescored /= static_cast<double>(data.queries.rows());
    std::printf("rescored a query: mean %.1f, most %d, k = 10\n", rescored, static_cast<int>(most));
    const bool coarse = GetParam() == CodeType::kSq4;
    EXPECT_LE(rescored, coarse ? 320 : 18);
    EXPECT_LE(most, coarse ? 1100U : 40U);
    coded.ExpectExact(data.queries.view(), params);
  }
}

TEST_P(CodeScan, ManyEqualRowsCostNoMoreThanAScanOfTheVectors) {
  Matrix base = GaussianMatrix(kSeed, 20'000, 16);
  Rng rng(kSeed);
  MakeEqual(&base, &rng);
  const Coded coded(base, Metric::kL2, GetParam());
  SearchParams params;
  const std::vector<SearchOutcome> found = coded.Search(base.view(0, 8), params);
  for (const SearchOutcome& outcome : found) {
    ASSERT_EQ(outcome.neighbors.size(), params.k);
    for (uint32_t i = 0; i < params.k; ++i) {
      EXPECT_EQ(outcome.neighbors[i], (Neighbor{0, i}));
    }
    EXPECT_LE(outcome.stats.rescored, base.rows() + params.k);
  }
}

TEST_P(CodeScan, NeedNotReturnWhatIsFartherThanTheCallerWants) {
  const Matrix base = testing::ClusteredMatrix(kSeed, 3000, 40, 20);
  Rng rng(kSeed);
  const Matrix queries = QueriesFor(base, 40, LeaveAsTheyAre, &rng);
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    const Coded coded(base, metric, GetParam());
    SearchParams params;
    const std::vector<SearchOutcome> truth = coded.Scan(queries.view(), params);
    std::vector<float> farthest;
    for (const SearchOutcome& outcome : truth) {
      farthest.push_back(outcome.neighbors[rng.Uniform(params.k)].distance);
    }
    for (const size_t batch : {size_t{1}, queries.rows()}) {
      params.farthest = farthest.data();
      const std::vector<SearchOutcome> found = coded.Search(queries.view(0, batch), params);
      for (size_t q = 0; q < batch; ++q) {
        for (size_t i = 0; i < params.k && truth[q].neighbors[i].distance <= farthest[q]; ++i) {
          ASSERT_LT(i, found[q].neighbors.size()) << "query " << q;
          ASSERT_EQ(found[q].neighbors[i], truth[q].neighbors[i]) << "query " << q;
        }
      }
    }
  }
}

/// Refuses one row, and notes what it was asked for.
class RefusingCheck final : public RowCheck {
 public:
  explicit RefusingCheck(uint32_t refused) : refused_(refused) {}

  [[nodiscard]] Status Check(std::span<const uint32_t> rows) const override {
    asked_.insert(asked_.end(), rows.begin(), rows.end());
    return std::find(rows.begin(), rows.end(), refused_) == rows.end()
               ? Status()
               : DataLossError("refused row");
  }

  [[nodiscard]] const std::vector<uint32_t>& asked() const { return asked_; }

 private:
  const uint32_t refused_;
  mutable std::vector<uint32_t> asked_;
};

TEST_P(CodeScan, AsksBeforeItReadsARowAndOnlyForThoseItReads) {
  const Matrix base = GaussianMatrix(kSeed, 2000, 24);
  for (const size_t batch : {size_t{1}, size_t{9}}) {
    const Coded coded(base, Metric::kL2, GetParam());
    const RefusingCheck none(std::numeric_limits<uint32_t>::max());
    SearchParams params;
    params.row_check = &none;
    uint64_t rescored = 0;
    for (const SearchOutcome& outcome : coded.Search(base.view(0, batch), params)) {
      rescored += outcome.stats.rescored;
      for (const Neighbor& neighbor : outcome.neighbors) {
        EXPECT_NE(std::find(none.asked().begin(), none.asked().end(), neighbor.row),
                  none.asked().end());
      }
    }
    EXPECT_EQ(none.asked().size(), rescored);
    // Query i is row i, its own nearest.
    const RefusingCheck first(static_cast<uint32_t>(batch - 1));
    params.row_check = &first;
    EXPECT_THAT(coded.Try(base.view(0, batch), params),
                StatusIs(StatusCode::kDataLoss, "refused row"));
  }
}

TEST_P(CodeScan, StopsWhenCancelled) {
  const Matrix base = GaussianMatrix(kSeed, 500, 16);
  Result<std::string> bytes =
      EncodeRowCodes(base.view(), Metric::kL2, GetParam(), nullptr, CallControl());
  ASSERT_OK(bytes);
  const MappedSections mapped({{kRowCodesSection, bytes.value()}});
  ASSERT_OK_AND_ASSIGN(const RowCodes codes,
                       RowCodes::Open(mapped.views()[0].bytes, 500, 16, Metric::kL2));
  CancelToken token;
  token.Cancel();
  SearchParams params;
  params.control.cancel = &token;
  for (const size_t batch : {size_t{1}, size_t{40}}) {
    std::vector<SearchOutcome> out(batch);
    EXPECT_THAT(ScanCodedRows({codes, base.view()}, base.view(0, batch), params, out),
                StatusIs(StatusCode::kCancelled));
  }
}

// ---- Codes of a filter's rows, apart from the others ----

/// A filter and those of its rows that may be returned.
struct PassedRows {
  std::vector<uint64_t> words;
  std::vector<uint64_t> allowed;
  RepeatedFilter filter;

  PassedRows(std::vector<uint64_t> passed, size_t rows)
      : words(std::move(passed)), filter{words.data(), CountBits(words, rows), nullptr} {}

  /// Only `share` of the rows may be returned from now on.
  void Bar(uint64_t seed, size_t rows, double share) {
    allowed = RandomBitmap(seed, rows, share);
    for (size_t w = 0; w < words.size(); ++w) {
      allowed[w] &= words[w];
    }
  }

  void PutInto(size_t rows, SearchParams* params) const {
    const std::vector<uint64_t>& bits = allowed.empty() ? words : allowed;
    params->allowed = bits.data();
    params->allowed_count = CountBits(bits, rows);
    params->filter = &filter;
  }
};

TEST(CodedMatches, EqualAScanOfTheVectorsBitForBit) {
  constexpr size_t kDims[] = {1, 3, 24, 63, 64, 65, 100, 384, 777};
  constexpr size_t kBatches[] = {1, 2, 13, 30};
  for (uint64_t round = 0; round < 220; ++round) {
    const uint64_t seed = kSeed + round;
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    const Shaper shape = kShapers[round % std::size(kShapers)];
    const Metric metric = kMetrics[rng.Uniform(std::size(kMetrics))];
    const size_t dim = kDims[rng.Uniform(std::size(kDims))];
    const size_t rows = 1 + rng.Uniform(dim > 300 ? 400 : 2500);
    Matrix base = GaussianMatrix(seed, rows, dim);
    shape(&base, &rng);
    Matrix queries = QueriesFor(base, kBatches[rng.Uniform(std::size(kBatches))], shape, &rng);
    if (metric == Metric::kCosine) {
      NormalizeRows(&base);
      NormalizeRows(&queries);
    }
    const Coded coded(base, metric, CodeType::kSq8,
                      rng.Uniform(2) == 0 ? std::vector<uint32_t>() : RandomOrder(rows, &rng));
    PassedRows passed(RandomBitmap(seed, rows, rng.UniformDouble()), rows);
    if (passed.filter.count == 0) {
      continue;
    }
    SearchParams params;
    params.k = rng.Uniform(5) == 0 ? rows + 3 : 1 + rng.Uniform(30);
    passed.PutInto(rows, &params);
    coded.ExpectExactOfMatches(queries.view(), params);
    passed.Bar(seed + 1, rows, 0.7);
    passed.PutInto(rows, &params);
    coded.ExpectExactOfMatches(queries.view(), params);
    if (::testing::Test::HasFatalFailure()) {
      return;
    }
  }
}

TEST(CodedMatches, AnswerAloneAsInABatchAndLeaveOutWhatIsFarther) {
  const Matrix base = testing::ClusteredMatrix(kSeed, 9000, 40, 20);
  const Matrix queries = testing::ClusteredMatrix(kSeed + 1, 60, 40, 20);
  const Coded coded(base, Metric::kL2, CodeType::kSq8);
  const PassedRows passed(RandomBitmap(kSeed, base.rows(), 0.7), base.rows());
  const CodedMatches matches(coded.rows(), passed.words.data());
  SearchParams params;
  passed.PutInto(base.rows(), &params);
  std::vector<SearchOutcome> whole;
  ASSERT_OK(coded.TryMatches(matches, queries.view(), params, &whole));
  for (size_t q = 0; q < queries.rows(); ++q) {
    std::vector<SearchOutcome> alone;
    ASSERT_OK(coded.TryMatches(matches, queries.view(q, q + 1), params, &alone));
    EXPECT_EQ(alone[0].neighbors, whole[q].neighbors);
    EXPECT_EQ(alone[0].stats.rescored, whole[q].stats.rescored);
    EXPECT_LT(alone[0].stats.rescored, 60U);
    SearchParams limited = params;
    const float fifth = whole[q].neighbors[4].distance;
    limited.farthest = &fifth;
    ASSERT_OK(coded.TryMatches(matches, queries.view(q, q + 1), limited, &alone));
    ASSERT_GE(alone[0].neighbors.size(), 5U);
    EXPECT_TRUE(std::equal(whole[q].neighbors.begin(), whole[q].neighbors.begin() + 5,
                           alone[0].neighbors.begin()));
  }
}

TEST(CodedMatches, AskBeforeTheyReadARowAndStopWhenCancelled) {
  const Matrix base = GaussianMatrix(kSeed, 2000, 24);
  const Coded coded(base, Metric::kL2, CodeType::kSq8);
  const PassedRows passed(RandomBitmap(kSeed, base.rows(), 0.5), base.rows());
  const CodedMatches matches(coded.rows(), passed.words.data());
  SearchParams params;
  passed.PutInto(base.rows(), &params);
  const RefusingCheck none(std::numeric_limits<uint32_t>::max());
  params.row_check = &none;
  std::vector<SearchOutcome> found;
  ASSERT_OK(coded.TryMatches(matches, base.view(0, 1), params, &found));
  EXPECT_EQ(none.asked().size(), found[0].stats.rescored);
  const RefusingCheck nearest(found[0].neighbors[0].row);
  params.row_check = &nearest;
  EXPECT_THAT(coded.TryMatches(matches, base.view(0, 1), params, &found),
              StatusIs(StatusCode::kDataLoss, "refused row"));
  CancelToken token;
  token.Cancel();
  params.control.cancel = &token;
  EXPECT_THAT(coded.TryMatches(matches, base.view(0, 1), params, &found),
              StatusIs(StatusCode::kCancelled));
}

TEST(CodedMatches, AreKeptForFiltersThatComeBackAndFit) {
  const Matrix base = GaussianMatrix(kSeed, 10'000, 100);
  const Coded coded(base, Metric::kL2, CodeType::kSq8);
  PassedRows few(RandomBitmap(kSeed, base.rows(), 0.03), base.rows());
  SearchParams params;
  few.PutInto(base.rows(), &params);
  RepeatedMatches repeated;
  for (int search = 0; search < 7; ++search) {
    EXPECT_EQ(repeated.For(coded.rows(), params), nullptr);
    EXPECT_EQ(repeated.resident_bytes(), 0U);
  }
  const CodedMatches* kept = repeated.For(coded.rows(), params);
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(repeated.For(coded.rows(), params), kept);
  EXPECT_EQ(kept->rows().size(), few.filter.count);
  EXPECT_GT(repeated.resident_bytes(), 100 * few.filter.count);
  EXPECT_LE(repeated.resident_bytes(), CodedMatches::kBytesPerRow * base.rows() + 1024);
  few.Bar(kSeed + 1, base.rows(), 0.3);
  few.PutInto(base.rows(), &params);
  EXPECT_EQ(repeated.For(coded.rows(), params), nullptr) << "most of them are gone";
  params.filter = nullptr;
  EXPECT_EQ(repeated.For(coded.rows(), params), nullptr);
  const PassedRows many(RandomBitmap(kSeed, base.rows(), 0.1), base.rows());
  many.PutInto(base.rows(), &params);
  RepeatedMatches none;
  for (int search = 0; search < 20; ++search) {
    EXPECT_EQ(none.For(coded.rows(), params), nullptr);
  }
}

INSTANTIATE_TEST_SUITE_P(Codes, CodeScan,
                         ::testing::Values(CodeType::kSq8, CodeType::kSq4, CodeType::kBf16),
                         [](const auto& param) { return std::string(CodeTypeName(param.param)); });

}  // namespace
}  // namespace leadline::index
