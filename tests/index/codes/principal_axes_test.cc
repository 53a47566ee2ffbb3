// Rows in fewer dimensions: what axes a segment gets, how vectors are brought to them, and what
// damaged axes do.

#include "leadline/index/principal_axes.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "index_test_data.h"
#include "leadline/core/hash.h"
#include "leadline/index/held_out_rows.h"
#include "leadline/index/row_codes.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using leadline::testing::StatusIs;
using testing::GaussianMatrix;
using testing::LowRankMatrix;
using testing::MappedSections;
using testing::Matrix;

constexpr uint64_t kSeed = 4711;
constexpr Metric kMetrics[] = {Metric::kL2, Metric::kInnerProduct, Metric::kCosine};
constexpr size_t kHeader = 64;

ReducedRows Reduce(const Matrix& matrix, Metric metric = Metric::kL2,
                   Executor* executor = nullptr) {
  BuildOptions options;
  options.metric = metric;
  options.executor = executor;
  Result<ReducedRows> reduced = ReduceRows(matrix.view(), options);
  EXPECT_OK(reduced);
  return reduced.ok() ? *std::move(reduced) : ReducedRows();
}

Status OpenAxes(const std::string& bytes, size_t dim) {
  const MappedSections mapped({{kPrincipalAxesSection, bytes}});
  return PrincipalAxes::Open(mapped.views()[0].bytes, dim).status();
}

size_t RoundUp(size_t value) {
  return (value + 63) / 64 * 64;
}

/// A section read as storage/FORMAT.md says.
struct ReadAxes {
  ReadAxes(const std::string& bytes, size_t dim) : mean(dim) {
    std::memcpy(&kept, bytes.data() + 8, sizeof kept);
    std::memcpy(mean.data(), bytes.data() + kHeader, dim * sizeof(float));
    const size_t scales_at = RoundUp(kHeader + dim * sizeof(float));
    const size_t codes_at = RoundUp(scales_at + kept * sizeof(float));
    for (size_t a = 0; a < kept; ++a) {
      float scale = 0;
      std::memcpy(&scale, bytes.data() + scales_at + a * sizeof scale, sizeof scale);
      axes.emplace_back();
      for (size_t i = 0; i < dim; ++i) {
        const auto code = static_cast<uint8_t>(bytes[codes_at + a * RoundUp(dim) + i]);
        axes.back().push_back(double{scale} * (int{code} - 128));
      }
    }
  }

  uint32_t kept = 0;
  std::vector<float> mean;
  std::vector<std::vector<double>> axes;
};

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

TEST(PrincipalAxes, VectorsAndRowsLieAlongThemAsFarAsTheFormatSays) {
  constexpr size_t kDim = 100;
  for (const Metric metric : kMetrics) {
    Matrix matrix = LowRankMatrix(kSeed, 2500, kDim, 15);
    if (metric == Metric::kCosine) {
      testing::NormalizeRows(&matrix);
    }
    const ReducedRows reduced = Reduce(matrix, metric);
    ASSERT_EQ(reduced.kept, 24U) << MetricName(metric);
    const MappedSections mapped({{kPrincipalAxesSection, reduced.axes}});
    ASSERT_OK_AND_ASSIGN(const PrincipalAxes axes,
                         PrincipalAxes::Open(mapped.views()[0].bytes, kDim));
    const ReadAxes read(reduced.axes, kDim);
    ASSERT_EQ(read.kept, axes.kept());
    Projection projection;
    for (size_t r = 0; r < matrix.rows(); ++r) {
      const float* lengths = projection.Project(axes, matrix.row(r));
      ASSERT_EQ(std::memcmp(lengths, reduced.rows.data() + r * 24, 24 * sizeof(float)), 0)
          << "a row and a query lie elsewhere: row " << r;
      std::vector<double> centred(kDim);
      double largest = 0;
      for (size_t i = 0; i < kDim; ++i) {
        centred[i] = double{matrix.row(r)[i]} - read.mean[i];
        largest = std::max(largest, std::abs(centred[i]));
      }
      for (size_t a = 0; a < axes.kept(); ++a) {
        double lost = 1e-6;
        for (const double value : read.axes[a]) {
          lost += std::abs(value) * largest / 127 * 0.51;
        }
        ASSERT_NEAR(lengths[a], Dot(centred, read.axes[a]), lost + 1e-5 * std::abs(lengths[a]));
      }
    }
  }
}

TEST(PrincipalAxes, AreOfUnitLengthAndRightAngledAndHoldTheVariance) {
  constexpr size_t kDim = 96;
  const Matrix matrix = LowRankMatrix(kSeed, 3000, kDim, 20);
  const ReadAxes read(Reduce(matrix).axes, kDim);
  ASSERT_EQ(read.kept, 24U);
  for (size_t a = 0; a < read.kept; ++a) {
    for (size_t b = 0; b <= a; ++b) {
      EXPECT_NEAR(Dot(read.axes[a], read.axes[b]), a == b ? 1 : 0, 0.02) << a << " " << b;
    }
  }
  double all = 0;
  double along = 0;
  for (size_t r = 0; r < matrix.rows(); ++r) {
    std::vector<double> centred(kDim);
    for (size_t i = 0; i < kDim; ++i) {
      centred[i] = double{matrix.row(r)[i]} - read.mean[i];
    }
    all += Dot(centred, centred);
    for (const std::vector<double>& axis : read.axes) {
      along += Dot(centred, axis) * Dot(centred, axis);
    }
  }
  // Of the noise, which is a ten-thousandth, the other dimensions keep their share.
  EXPECT_GT(along / all, 0.999);
}

TEST(PrincipalAxes, AreAsManyAsTellNearRowsFromOthers) {
  for (const auto& [rank, kept] :
       {std::pair(20U, 24U), std::pair(50U, 56U), std::pair(90U, 120U)}) {
    const ReducedRows reduced = Reduce(LowRankMatrix(kSeed, 2200, 192, rank));
    EXPECT_EQ(reduced.kept, kept) << rank;
    EXPECT_EQ(reduced.rows.size(), size_t{2200} * kept);
    const MappedSections mapped({{kRowCodesSection, reduced.codes}});
    EXPECT_OK(RowCodes::Open(mapped.views()[0].bytes, 2200, kept, Metric::kL2));
  }
}

TEST(PrincipalAxes, AreNoneWhereRowsNeedTheirDimensions) {
  const Matrix constant{std::vector<float>(size_t{2100} * 64, 3.0F), 64};
  for (const Matrix& matrix : {GaussianMatrix(1, 2100, 64), LowRankMatrix(1, 2047, 64, 8), constant,
                               LowRankMatrix(1, 2100, 31, 4), GaussianMatrix(2, 2100, 3),
                               GaussianMatrix(2, 2100, 1), GaussianMatrix(2, 2, 2049)}) {
    const ReducedRows reduced = Reduce(matrix);
    EXPECT_EQ(reduced.kept, 0U) << matrix.dim;
    EXPECT_TRUE(reduced.rows.empty());
    EXPECT_EQ(reduced.axes.size(), kHeader);
    EXPECT_OK(OpenAxes(reduced.axes, matrix.dim));
    const auto plain =
        EncodeRowCodes(matrix.view(), Metric::kL2, CodeType::kSq8, nullptr, CallControl());
    EXPECT_EQ(reduced.codes, plain.value()) << matrix.dim;
  }
}

TEST(PrincipalAxes, SurviveValuesOfAnySize) {
  const Matrix normal = LowRankMatrix(kSeed, 2100, 64, 10);
  for (const float factor : {1e-42F, 1e-30F, 1e13F}) {
    for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
      Matrix matrix = normal;
      for (float& value : matrix.values) {
        value *= factor;
      }
      const ReducedRows reduced = Reduce(matrix, metric);
      EXPECT_EQ(reduced.kept, factor > 1e-40F ? reduced.kept : 0U) << factor;
      EXPECT_OK(OpenAxes(reduced.axes, 64));
      for (const float length : reduced.rows) {
        ASSERT_TRUE(std::isfinite(length));
      }
    }
  }
  // Some dimensions and rows far larger than all others.
  Matrix mixed = normal;
  for (size_t r = 0; r < mixed.rows(); ++r) {
    mixed.values[r * 64 + 5] = r % 700 == 0 ? kMaxComponent : -kMaxComponent;
    mixed.values[r * 64 + 6] = 1e-44F;
    mixed.values[r * 64 + 7] = 0;
  }
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    EXPECT_OK(OpenAxes(Reduce(mixed, metric).axes, 64));
  }
}

TEST(PrincipalAxes, EqualBytesOnAnyNumberOfThreads) {
  const Matrix matrix = LowRankMatrix(kSeed, 5000, 96, 30);
  const ReducedRows alone = Reduce(matrix);
  EXPECT_EQ(alone.kept, 56U);
  for (const size_t threads : {2U, 5U}) {
    const auto pool = NewThreadPool(threads);
    const ReducedRows pooled = Reduce(matrix, Metric::kL2, pool.get());
    EXPECT_EQ(pooled.axes, alone.axes) << threads;
    EXPECT_EQ(pooled.codes, alone.codes) << threads;
    EXPECT_EQ(pooled.rows, alone.rows) << threads;
  }
}

// Runs of this test at each SIMD level compare with one another through this number. On other
// architectures the eigenvectors may be rounded otherwise.
#if defined(__x86_64__)
TEST(PrincipalAxes, EqualBytesAtEverySimdLevel) {
  const Matrix matrix = testing::IntegerMatrix(kSeed, 2300, 40, 50);
  Matrix wide{{}, 80};
  for (size_t r = 0; r < matrix.rows(); ++r) {
    for (size_t i = 0; i < 80; ++i) {
      wide.values.push_back(matrix.row(r)[i % 40] * (i < 40 ? 1.0F : 2.0F));
    }
  }
  BuildOptions options;
  HeldOutRows held_out;
  for (uint32_t r = 0; r < 64; ++r) {
    held_out.rows.push_back(r);
    held_out.nearest.push_back(testing::BruteForce(wide.view(), wide.row(r), Metric::kL2, 11));
    held_out.nearest.back().erase(held_out.nearest.back().begin());
  }
  options.held_out = &held_out;
  const ReducedRows reduced = ReduceRows(wide.view(), options).value();
  ASSERT_EQ(reduced.kept, 56U);
  EXPECT_EQ(Hash64(reduced.axes.data(), reduced.axes.size()), 13754027729394592629U);
  EXPECT_EQ(Hash64(reduced.codes.data(), reduced.codes.size()), 6250745298526389438U);
}
#endif

TEST(PrincipalAxes, StopWhenCancelled) {
  const Matrix matrix = LowRankMatrix(kSeed, 2100, 64, 10);
  CancelToken token;
  token.Cancel();
  BuildOptions options;
  options.control.cancel = &token;
  EXPECT_THAT(ReduceRows(matrix.view(), options), StatusIs(StatusCode::kCancelled));
}

TEST(PrincipalAxes, RefuseDamage) {
  constexpr size_t kDim = 70;
  const std::string sound = Reduce(LowRankMatrix(kSeed, 2100, kDim, 12)).axes;
  ASSERT_OK(OpenAxes(sound, kDim));
  EXPECT_THAT(OpenAxes(sound, kDim + 1), StatusIs(StatusCode::kDataLoss, "dim=70"));
  for (size_t size = 0; size < sound.size(); size += size < 400 ? 1 : 61) {
    EXPECT_THAT(OpenAxes(sound.substr(0, size), kDim), StatusIs(StatusCode::kDataLoss)) << size;
  }
  EXPECT_THAT(OpenAxes(sound + '\0', kDim), StatusIs(StatusCode::kDataLoss, "expected="));
  const auto with = [&](size_t at, auto value) {
    std::string bytes = sound;
    std::memcpy(bytes.data() + at, &value, sizeof value);
    return OpenAxes(bytes, kDim);
  };
  EXPECT_THAT(with(0, uint32_t{2}), StatusIs(StatusCode::kUnimplemented, "value=2"));
  EXPECT_THAT(with(0, uint32_t{0}), StatusIs(StatusCode::kUnimplemented));
  for (const uint32_t kept : {0U, 23U, 25U, 70U, 71U, 2049U, 0xFFFFFFFFU}) {
    EXPECT_THAT(with(8, kept), StatusIs(StatusCode::kDataLoss)) << kept;
  }
  for (size_t at = 12; at < kHeader; ++at) {
    EXPECT_THAT(with(at, uint8_t{1}), StatusIs(StatusCode::kDataLoss, "reserved")) << at;
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {std::nanf(""), kInfinity, -kInfinity, 3e15F}) {
    EXPECT_THAT(with(kHeader + 4 * (kDim - 1), bad), StatusIs(StatusCode::kDataLoss, "mean"));
  }
  const size_t scales_at = RoundUp(kHeader + kDim * sizeof(float));
  for (const float bad : {std::nanf(""), kInfinity, -1e-9F, 0.01F}) {
    EXPECT_THAT(with(scales_at + 4 * 23, bad), StatusIs(StatusCode::kDataLoss, "axis=23"));
  }
  const MappedSections mapped({{kPrincipalAxesSection, ' ' + sound}});
  EXPECT_THAT(PrincipalAxes::Open(mapped.views()[0].bytes.substr(1), kDim),
              StatusIs(StatusCode::kInvalidArgument, "aligned"));
}

}  // namespace
}  // namespace leadline::index
