// Codes of rows: what they say about distances, what they cost, and what damaged ones do.

#include "leadline/index/row_codes.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include <gtest/gtest.h>

#include "index_test_data.h"
#include "leadline/index/owned_codes.h"
#include "real_vectors.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using leadline::testing::StatusIs;
using testing::GaussianMatrix;
using testing::MappedSections;
using testing::Matrix;

constexpr uint32_t kType = 48;

std::string Encode(const Matrix& matrix, Metric metric, CodeType codes,
                   Executor* executor = nullptr) {
  Result<std::string> bytes = EncodeRowCodes(matrix.view(), metric, codes, executor, CallControl());
  EXPECT_TRUE(bytes.ok()) << bytes.status().message();
  return bytes.ok() ? *std::move(bytes) : std::string();
}

/// Distances of all rows by their codes.
std::vector<float> CodeDistances(const RowCodes& codes, const float* query,
                                 const simd::CodeKernels& kernels) {
  std::vector<uint32_t> ids(codes.rows());
  std::iota(ids.begin(), ids.end(), 0U);
  std::vector<int32_t> sums(ids.size());
  std::vector<float> distances(ids.size());
  RowQuery prepared(kernels);
  prepared.Prepare(codes, query);
  prepared.Distances(ids.data(), ids.size(), sums.data(), distances.data());
  return distances;
}

std::vector<float> CodeDistances(const RowCodes& codes, const float* query) {
  return CodeDistances(codes, query, simd::CurrentLevel().codes);
}

using FormAndDim = std::tuple<CodeType, Metric, size_t>;

class RowCodesTest : public ::testing::TestWithParam<FormAndDim> {
 protected:
  [[nodiscard]] static CodeType codes() { return std::get<0>(GetParam()); }

  [[nodiscard]] static Metric metric() { return std::get<1>(GetParam()); }

  [[nodiscard]] static size_t dim() { return std::get<2>(GetParam()); }
};

// The largest errors that the forms allow for rows of norm 1: half a step of the row's scale a
// dimension, twice, against vectors of norms up to 2.
TEST_P(RowCodesTest, DistancesAreThoseOfTheRowsUpToTheCodesError) {
  Matrix matrix = GaussianMatrix(7, 300, dim());
  testing::NormalizeRows(&matrix);
  Matrix queries = GaussianMatrix(8, 5, dim());
  testing::NormalizeRows(&queries);
  const MappedSections mapped({{kType, Encode(matrix, metric(), codes())}});
  ASSERT_OK_AND_ASSIGN(const RowCodes table,
                       RowCodes::Open(mapped.views()[0].bytes, 300, dim(), metric()));
  const double step = codes() == CodeType::kSq4 ? 1.0 / 7.5 : 1.0 / 127;
  const double slack = (codes() == CodeType::kBf16 ? 1.0 / 128 : step) * 4 + 1e-3;
  for (size_t q = 0; q < queries.rows(); ++q) {
    const std::vector<float> got = CodeDistances(table, queries.row(q));
    std::vector<double> errors;
    double mean_error = 0;
    for (size_t r = 0; r < got.size(); ++r) {
      errors.push_back(
          got[r] - testing::BruteDistance(queries.row(q), matrix.row(r), dim(),
                                          metric() == Metric::kCosine ? Metric::kL2 : metric()));
      mean_error += errors.back() / static_cast<double>(got.size());
    }
    for (const double error : errors) {
      EXPECT_LT(std::fabs(error - mean_error), slack) << "query " << q;
    }
  }
}

TEST_P(RowCodesTest, EveryLevelGivesTheSameOrder) {
  const Matrix matrix = GaussianMatrix(17, 200, dim());
  const MappedSections mapped({{kType, Encode(matrix, metric(), codes())}});
  ASSERT_OK_AND_ASSIGN(const RowCodes table,
                       RowCodes::Open(mapped.views()[0].bytes, 200, dim(), metric()));
  const std::vector<float> scalar =
      CodeDistances(table, matrix.row(3), simd::AvailableLevels().front()->codes);
  for (const simd::Level* level : simd::AvailableLevels()) {
    const std::vector<float> other = CodeDistances(table, matrix.row(3), level->codes);
    for (size_t r = 0; r < scalar.size(); ++r) {
      if (codes() == CodeType::kBf16) {
        EXPECT_NEAR(other[r], scalar[r], 1e-4 * static_cast<double>(dim())) << level->name;
      } else {
        EXPECT_EQ(other[r], scalar[r]) << level->name << " row " << r;
      }
    }
  }
}

TEST_P(RowCodesTest, TableIsPutInAnotherOrderAsIfItHadBeenMadeSo) {
  if (codes() != CodeType::kSq8) {
    return;  // tables of a build are sq8
  }
  const Matrix matrix = GaussianMatrix(7, 2500, dim());
  std::vector<uint32_t> order(matrix.rows());
  std::iota(order.begin(), order.end(), 0U);
  Rng rng(8);
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[rng.Uniform(i)]);
  }
  const Result<std::string> expected =
      EncodeRowCodes(matrix.view(), metric(), codes(), nullptr, CallControl(), order);
  ASSERT_OK(expected);
  for (const size_t threads : {1U, 3U}) {
    const auto pool = NewThreadPool(threads);
    const auto owned = OwnedCodes::Make(matrix.view(), metric(), pool.get(), CallControl());
    ASSERT_OK(owned);
    EXPECT_EQ(owned->section(), Encode(matrix, metric(), codes()));
    EXPECT_EQ(OrderRowCodes(owned->section(), owned->codes(), order, pool.get()), *expected);
  }
}

TEST_P(RowCodesTest, BytesDoNotDependOnThreads) {
  const Matrix matrix = GaussianMatrix(27, 5000, dim() > 200 ? 20 : dim());
  const auto pool = NewThreadPool(3);
  EXPECT_EQ(Encode(matrix, metric(), codes()), Encode(matrix, metric(), codes(), pool.get()));
}

TEST_P(RowCodesTest, TinyHugeAndConstantRowsKeepFiniteDistances) {
  Matrix matrix = GaussianMatrix(37, 9, dim());
  const float values[] = {0.0F, kMaxComponent, -kMaxComponent, 1e-38F, 1e-44F, 1e-20F, 1.0F, -1.0F};
  for (size_t r = 0; r < std::size(values); ++r) {
    std::fill_n(matrix.values.begin() + static_cast<std::ptrdiff_t>(r * dim()), dim(), values[r]);
  }
  const MappedSections mapped({{kType, Encode(matrix, metric(), codes())}});
  ASSERT_OK_AND_ASSIGN(const RowCodes table,
                       RowCodes::Open(mapped.views()[0].bytes, 9, dim(), metric()));
  for (size_t q = 0; q < 9; ++q) {
    for (const float distance : CodeDistances(table, matrix.row(q))) {
      EXPECT_TRUE(std::isfinite(distance)) << "query " << q;
    }
  }
}

/// What the code of a row says, as storage/FORMAT.md has it.
std::vector<double> Decoded(const RowCodes& table, uint32_t row) {
  const uint8_t* code = table.codes() + row * table.stride();
  const double scale = table.terms_of(row).scale;
  std::vector<double> values;
  for (size_t i = 0; i < table.dim(); ++i) {
    if (table.type() == CodeType::kSq8) {
      values.push_back(scale * (code[i] - 128));
    } else if (table.type() == CodeType::kSq4) {
      const size_t in_group = std::min<size_t>(128, table.dim() - i / 128 * 128);
      const size_t half = (in_group + 1) / 2;
      const uint8_t byte = code[i / 128 * 64 + i % 128 % half];
      values.push_back(scale * ((i % 128 < half ? byte & 15 : byte >> 4) - 7.5));
    } else {
      const uint32_t bits = (uint32_t{code[2 * i]} | uint32_t{code[2 * i + 1]} << 8) << 16;
      float value = 0;
      std::memcpy(&value, &bits, sizeof value);
      values.push_back(value);
    }
  }
  return values;
}

TEST_P(RowCodesTest, BoundsHoldForEveryRowAndAreReached) {
  Matrix matrix = GaussianMatrix(41, 60, dim());
  for (size_t i = 0; i < matrix.values.size(); ++i) {
    const size_t row = i / dim();
    // Magnitudes down to where codes lose all, and peaks.
    matrix.values[i] *= row % 5 == 4 ? 1e-3F : row == 7 ? 1e-37F : 1.0F;
    matrix.values[i] *= row % 3 == 1 && i % dim() == row % dim() ? 50.0F : 1.0F;
  }
  const MappedSections mapped({{kType, Encode(matrix, metric(), codes())}});
  ASSERT_OK_AND_ASSIGN(const RowCodes table,
                       RowCodes::Open(mapped.views()[0].bytes, 60, dim(), metric()));
  ASSERT_TRUE(table.promises());
  const double least = RowCodes::kLeastError * std::sqrt(static_cast<double>(dim()));
  double widest_error = 0;
  double widest_norm = 0;
  for (uint32_t r = 0; r < 60; ++r) {
    const std::vector<double> decoded = Decoded(table, r);
    double error = 0;
    double norm = 0;
    for (size_t i = 0; i < dim(); ++i) {
      error += std::pow(double{matrix.row(r)[i]} - double{table.mean()[i]} - decoded[i], 2);
      norm += decoded[i] * decoded[i];
    }
    const double scale = table.terms_of(r).scale;
    EXPECT_LE(std::sqrt(error), scale * table.error_steps() + least) << r;
    EXPECT_LE(std::sqrt(norm), scale * table.norm_steps()) << r;
    widest_error = std::max(widest_error, std::sqrt(error) / scale);
    widest_norm = std::max(widest_norm, std::sqrt(norm) / scale);
  }
  EXPECT_NEAR(widest_error, table.error_steps(), 1e-6 * widest_error);
  EXPECT_NEAR(widest_norm, table.norm_steps(), 1e-6 * widest_norm);
}

TEST_P(RowCodesTest, EveryTruncationIsRefused) {
  const Matrix matrix = GaussianMatrix(47, 3, dim());
  const std::string whole = Encode(matrix, metric(), codes());
  for (size_t size = 0; size < whole.size(); size += size < 80 ? 1 : 37) {
    const MappedSections mapped({{kType, whole.substr(0, size)}});
    EXPECT_THAT(RowCodes::Open(mapped.views()[0].bytes, 3, dim(), metric()),
                StatusIs(StatusCode::kDataLoss))
        << size;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, RowCodesTest,
    ::testing::Combine(::testing::Values(CodeType::kSq8, CodeType::kSq4, CodeType::kBf16),
                       ::testing::Values(Metric::kL2, Metric::kInnerProduct, Metric::kCosine),
                       ::testing::Values(1, 3, 24, 25, 56, 64, 100, 128, 129, 200, 384, 784)),
    [](const auto& param) {
      return std::string(CodeTypeName(std::get<0>(param.param))) + "_" +
             std::string(MetricName(std::get<1>(param.param))) + "_" +
             std::to_string(std::get<2>(param.param));
    });

TEST(RowCodes, RefuseOtherForms) {
  const Matrix matrix = GaussianMatrix(57, 3, 8);
  for (const CodeType codes :
       {CodeType::kF32, CodeType::kPq4, CodeType::kRabitq, CodeType::kPca8, CodeType::kAuto}) {
    EXPECT_THAT(EncodeRowCodes(matrix.view(), Metric::kL2, codes, nullptr, CallControl()),
                StatusIs(StatusCode::kInvalidArgument, "codes"));
  }
}

TEST(RowCodes, DamagedHeadersAndNumbersAreRefused) {
  const Matrix matrix = GaussianMatrix(67, 3, 8);
  const std::string whole = Encode(matrix, Metric::kL2, CodeType::kSq8);
  constexpr size_t kBounds = 20;  // two floats, checked below: they may be of any value in a range
  for (size_t at = 0; at < 64; ++at) {
    if (at >= kBounds && at < kBounds + 8) {
      continue;
    }
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    const MappedSections mapped({{kType, damaged}});
    EXPECT_FALSE(RowCodes::Open(mapped.views()[0].bytes, 3, 8, Metric::kL2).ok()) << at;
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();

  struct Damage {
    size_t at;
    float value;
    const char* says;
  };

  // The bounds, the mean's first value, and the scale at the end of the first row of 32 bytes.
  for (const Damage& damage : {Damage{kBounds, nan, "bounds"}, Damage{kBounds, -0.5F, "bounds"},
                               Damage{kBounds, 3.0F, "bounds"}, Damage{kBounds + 4, nan, "bounds"},
                               Damage{kBounds + 4, -1.0F, "bounds"},
                               Damage{kBounds + 4, infinity, "bounds"}, Damage{64, nan, "finite"},
                               Damage{128 + 28, nan, "row=0"}, Damage{128 + 28, -1.0F, "row=0"}}) {
    std::string damaged = whole;
    std::memcpy(damaged.data() + damage.at, &damage.value, sizeof damage.value);
    const MappedSections mapped({{kType, damaged}});
    EXPECT_THAT(RowCodes::Open(mapped.views()[0].bytes, 3, 8, Metric::kL2),
                StatusIs(StatusCode::kDataLoss, damage.says))
        << damage.at;
  }
  const MappedSections mapped({{kType, whole}});
  EXPECT_FALSE(RowCodes::Open(mapped.views()[0].bytes, 4, 8, Metric::kL2).ok());
  EXPECT_FALSE(RowCodes::Open(mapped.views()[0].bytes, 3, 9, Metric::kL2).ok());
  EXPECT_FALSE(RowCodes::Open(mapped.views()[0].bytes, 3, 8, Metric::kCosine).ok());
}

TEST(RowCodes, BoundsBeyondWhatACodeCanLoseAreRefused) {
  constexpr size_t kDim = 16;
  const Matrix matrix = GaussianMatrix(68, 3, kDim);

  struct Widest {
    CodeType codes;
    float error;
    float norm;
  };

  for (const Widest& widest : {Widest{CodeType::kSq8, 4, 512}, Widest{CodeType::kSq4, 32, 32},
                               Widest{CodeType::kBf16, 0.0078125F, 1.5F}}) {
    const std::string whole = Encode(matrix, Metric::kL2, widest.codes);
    for (const bool norm : {false, true}) {
      for (const bool beyond : {false, true}) {
        const float limit = norm ? widest.norm : widest.error;
        const float value = beyond ? std::nextafter(limit, 1e9F) : limit;
        std::string edited = whole;
        std::memcpy(edited.data() + (norm ? 24 : 20), &value, sizeof value);
        const MappedSections mapped({{kType, edited}});
        EXPECT_EQ(RowCodes::Open(mapped.views()[0].bytes, 3, kDim, Metric::kL2).status().code(),
                  beyond ? StatusCode::kDataLoss : StatusCode::kOk)
            << CodeTypeName(widest.codes) << " " << value;
      }
    }
  }
}

TEST(RowCodes, OlderSectionsOpenWithTheBoundsTheyHave) {
  const Matrix matrix = GaussianMatrix(69, 3, 16);
  for (const CodeType codes : {CodeType::kSq8, CodeType::kSq4, CodeType::kBf16}) {
    const std::string whole = Encode(matrix, Metric::kL2, codes);
    for (const uint32_t version : {0U, 1U, 2U, 3U, 4U}) {
      for (const bool bounds : {true, false}) {
        std::string edited = whole;
        std::memcpy(edited.data(), &version, sizeof version);
        if (!bounds) {
          std::fill_n(edited.begin() + 20, 8, '\0');
        }
        const MappedSections mapped({{kType, edited}});
        const Result<RowCodes> opened = RowCodes::Open(mapped.views()[0].bytes, 3, 16, Metric::kL2);
        const std::string what = std::string(CodeTypeName(codes)) + " " + std::to_string(version);
        if (version < 2 || version > 3) {
          EXPECT_EQ(opened.status().code(), StatusCode::kUnimplemented) << what;
        } else if (version == 2 && codes != CodeType::kSq8 && bounds) {
          EXPECT_EQ(opened.status().code(), StatusCode::kDataLoss) << what;
        } else {
          ASSERT_OK(opened) << what;
          EXPECT_EQ(opened->promises(), version == 3 || codes == CodeType::kSq8) << what;
        }
      }
    }
  }
}

TEST(RowCodes, CancelledEncodingLeavesNothing) {
  const Matrix matrix = GaussianMatrix(77, 3, 8);
  CancelToken token;
  token.Cancel();
  CallControl control;
  control.cancel = &token;
  EXPECT_THAT(EncodeRowCodes(matrix.view(), Metric::kL2, CodeType::kSq8, nullptr, control),
              StatusIs(StatusCode::kCancelled));
}

TEST(RowCodes, NearRowsOfRealVectorsComeFirst) {
  testing::RealVectors words = testing::ShippedWords();
  ASSERT_GT(words.queries.rows(), 0U);
  words.PrepareFor(Metric::kCosine);
  const auto truth = testing::TrueNeighbors(words, Metric::kCosine);
  // Share of the true ten among so many first by code: what rescoring can find.
  const std::tuple<CodeType, size_t, double> floors[] = {
      {CodeType::kSq8, 10, 0.98}, {CodeType::kSq8, 15, 0.998}, {CodeType::kSq4, 10, 0.85},
      {CodeType::kSq4, 30, 0.99}, {CodeType::kBf16, 10, 0.98}, {CodeType::kBf16, 15, 0.998}};
  for (const auto& [codes, candidates, floor] : floors) {
    const MappedSections mapped({{kType, Encode(words.base, Metric::kCosine, codes)}});
    ASSERT_OK_AND_ASSIGN(
        const RowCodes table,
        RowCodes::Open(mapped.views()[0].bytes, words.base.rows(), 100, Metric::kCosine));
    double found = 0;
    for (size_t q = 0; q < truth.size(); ++q) {
      const std::vector<float> distances = CodeDistances(table, words.queries.row(q));
      std::vector<uint32_t> order(distances.size());
      std::iota(order.begin(), order.end(), 0U);
      std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(candidates),
                        order.end(),
                        [&](uint32_t a, uint32_t b) { return distances[a] < distances[b]; });
      order.resize(candidates);
      for (const Neighbor& neighbor : truth[q]) {
        found += std::count(order.begin(), order.end(), neighbor.row) > 0 ? 1 : 0;
      }
    }
    EXPECT_GE(found / (10.0 * static_cast<double>(truth.size())), floor)
        << CodeTypeName(codes) << " " << candidates;
  }
}

}  // namespace
}  // namespace leadline::index
