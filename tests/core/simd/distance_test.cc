#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "leadline/simd/level.h"
#include "status_matchers.h"

namespace leadline::simd {
namespace {

using leadline::testing::StatusIs;

constexpr uint64_t kSeed = 20240607;

enum class Shape { kGaussian, kDenormal, kHuge, kMixed };

std::vector<float> RandomVector(Rng* rng, size_t n, Shape shape) {
  std::vector<float> values(n);
  for (float& value : values) {
    const double gaussian = rng->Gaussian();
    double scale = 1;
    if (shape == Shape::kDenormal) {
      scale = 1e-40;
    } else if (shape == Shape::kHuge) {
      scale = 1e15;
    } else if (shape == Shape::kMixed) {
      scale = std::pow(10.0, static_cast<double>(rng->Uniform(30)) - 15.0);
    }
    value = static_cast<float>(gaussian * scale);
  }
  return values;
}

struct Exact {
  double value = 0;
  double magnitude = 0;  // sum of |terms|
};

Exact ExactL2(const float* a, const float* b, size_t n) {
  Exact exact;
  for (size_t i = 0; i < n; ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    exact.value += difference * difference;
  }
  exact.magnitude = exact.value;
  return exact;
}

Exact ExactDot(const float* a, const float* b, size_t n) {
  Exact exact;
  for (size_t i = 0; i < n; ++i) {
    const double product = static_cast<double>(a[i]) * b[i];
    exact.value += product;
    exact.magnitude += std::abs(product);
  }
  return exact;
}

/// The bound of distance.h, half of it on each side of the exact value.
double HalfBound(const Exact& exact, size_t n) {
  const auto terms = static_cast<double>(n);
  return 0.5 * (std::ldexp(exact.magnitude, -23) * (terms + 8) + std::ldexp(terms, -149));
}

class DistanceKernelsTest : public ::testing::TestWithParam<const Level*> {};

TEST_P(DistanceKernelsTest, StaysWithinTheStatedBoundOfScalarAndOfDoubleArithmetic) {
  const DistanceKernels& level = GetParam()->distance;
  const DistanceKernels& scalar = AvailableLevels().front()->distance;
  Rng rng(kSeed);
  for (const Shape shape : {Shape::kGaussian, Shape::kDenormal, Shape::kHuge, Shape::kMixed}) {
    for (size_t n = 0; n <= 1100; n = n < 140 ? n + 1 : n + 7) {
      SCOPED_TRACE("seed " + std::to_string(kSeed) + " n " + std::to_string(n) + " shape " +
                   std::to_string(static_cast<int>(shape)));
      const std::vector<float> a = RandomVector(&rng, n, shape);
      const std::vector<float> b = RandomVector(&rng, n, shape);
      const Exact l2 = ExactL2(a.data(), b.data(), n);
      const Exact dot = ExactDot(a.data(), b.data(), n);
      ASSERT_NEAR(level.l2_squared(a.data(), b.data(), n), l2.value, HalfBound(l2, n));
      ASSERT_NEAR(level.inner_product(a.data(), b.data(), n), dot.value, HalfBound(dot, n));
      ASSERT_NEAR(level.l2_squared(a.data(), b.data(), n), scalar.l2_squared(a.data(), b.data(), n),
                  2 * HalfBound(l2, n));
      ASSERT_NEAR(level.inner_product(a.data(), b.data(), n),
                  scalar.inner_product(a.data(), b.data(), n), 2 * HalfBound(dot, n));
    }
  }
}

TEST_P(DistanceKernelsTest, GivesEqualBitsOneByOneInRowsAndGatheredAtAnyAlignmentAndSplit) {
  const DistanceKernels& level = GetParam()->distance;
  Rng rng(kSeed);
  for (size_t n = 0; n <= 1100; n = n < 140 ? n + 1 : n + 61) {
    const size_t count = 1 + rng.Uniform(11);
    const size_t stride = n + rng.Uniform(5);
    const size_t offset = rng.Uniform(16);  // floats: rows and query lose their alignment
    const std::vector<float> storage =
        RandomVector(&rng, offset + stride * count + n, Shape::kMixed);
    const float* base = storage.data() + offset;
    const std::vector<float> padded = RandomVector(&rng, n + 3, Shape::kMixed);
    const float* query = padded.data() + 3;
    std::vector<uint32_t> ids(count);
    for (uint32_t& id : ids) {
      id = static_cast<uint32_t>(rng.Uniform(count));
    }
    std::vector<float> rows(count);
    std::vector<float> gathered(count);
    const auto check = [&](DistanceKernels::PairFunction pair, DistanceKernels::RowsFunction many,
                           DistanceKernels::GatherFunction gather) {
      const size_t split = rng.Uniform(count + 1);
      many(query, base, stride, split, n, rows.data());
      many(query, base + split * stride, stride, count - split, n, rows.data() + split);
      gather(query, base, stride, ids.data(), split, n, gathered.data());
      gather(query, base, stride, ids.data() + split, count - split, n, gathered.data() + split);
      for (size_t i = 0; i < count; ++i) {
        ASSERT_EQ(std::bit_cast<uint32_t>(rows[i]),
                  std::bit_cast<uint32_t>(pair(query, base + i * stride, n)))
            << "seed " << kSeed << " n " << n << " row " << i;
        ASSERT_EQ(std::bit_cast<uint32_t>(gathered[i]),
                  std::bit_cast<uint32_t>(pair(query, base + ids[i] * stride, n)))
            << "seed " << kSeed << " n " << n << " row " << i;
      }
    };
    check(level.l2_squared, level.l2_squared_rows, level.l2_squared_gather);
    check(level.inner_product, level.inner_product_rows, level.inner_product_gather);
  }
}

TEST_P(DistanceKernelsTest, IsSymmetricInItsTwoVectors) {
  const DistanceKernels& level = GetParam()->distance;
  Rng rng(kSeed);
  for (const size_t n : {1U, 17U, 100U, 384U, 785U}) {
    const std::vector<float> a = RandomVector(&rng, n, Shape::kGaussian);
    const std::vector<float> b = RandomVector(&rng, n, Shape::kGaussian);
    EXPECT_EQ(level.l2_squared(a.data(), b.data(), n), level.l2_squared(b.data(), a.data(), n));
    EXPECT_EQ(level.inner_product(a.data(), b.data(), n),
              level.inner_product(b.data(), a.data(), n));
    EXPECT_EQ(level.l2_squared(a.data(), a.data(), n), 0.0F);
  }
}

TEST_P(DistanceKernelsTest, OverflowGivesInfinityAndNanPropagates) {
  const DistanceKernels& level = GetParam()->distance;
  for (const size_t n : {1U, 16U, 33U}) {
    const std::vector<float> huge(n, 3e38F);
    const std::vector<float> minus(n, -3e38F);
    EXPECT_EQ(level.l2_squared(huge.data(), minus.data(), n),
              std::numeric_limits<float>::infinity());
    EXPECT_EQ(level.inner_product(huge.data(), minus.data(), n),
              -std::numeric_limits<float>::infinity());
    std::vector<float> odd = huge;
    odd.back() = std::numeric_limits<float>::quiet_NaN();
    EXPECT_TRUE(std::isnan(level.l2_squared(odd.data(), minus.data(), n)));
  }
}

TEST_P(DistanceKernelsTest, StaysFiniteForTheLargestVectors) {
  const DistanceKernels& level = GetParam()->distance;
  for (const size_t n : {size_t{1}, size_t{16}, size_t{1000}, kMaxDim}) {
    const std::vector<float> plus(n, kMaxComponent);
    const std::vector<float> minus(n, -kMaxComponent);
    EXPECT_TRUE(std::isfinite(level.l2_squared(plus.data(), minus.data(), n))) << n;
    EXPECT_TRUE(std::isfinite(level.inner_product(plus.data(), minus.data(), n))) << n;
    EXPECT_TRUE(std::isfinite(level.inner_product(plus.data(), plus.data(), n))) << n;
  }
}

TEST_P(DistanceKernelsTest, ReadsNothingBehindTheVectors) {
  // Exact-size heap blocks: AddressSanitizer builds see any read past the end made by plain loads;
  // a poisoned neighbour shows masked ones.
  const DistanceKernels& level = GetParam()->distance;
  for (size_t n = 0; n < 70; ++n) {
    std::vector<float> a(n + 1, 1.0F);
    std::vector<float> b(n + 1, 3.0F);
    a[n] = std::numeric_limits<float>::quiet_NaN();
    b[n] = std::numeric_limits<float>::infinity();
    EXPECT_EQ(level.l2_squared(a.data(), b.data(), n), 4.0F * static_cast<float>(n));
    EXPECT_EQ(level.inner_product(a.data(), b.data(), n), 3.0F * static_cast<float>(n));
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, DistanceKernelsTest, ::testing::ValuesIn(AvailableLevels()),
                         [](const auto& param) { return std::string(param.param->name); });

TEST(SelectLevel, FindsEachAvailableLevelByName) {
  for (const Level* level : AvailableLevels()) {
    ASSERT_OK_AND_ASSIGN(const Level* found, SelectLevel(level->name));
    EXPECT_EQ(found, level);
  }
  EXPECT_EQ(AvailableLevels().front()->name, "scalar");
}

TEST(SelectLevel, PicksTheFastestForEmptyAndAuto) {
  for (const std::string_view name : {"", "auto"}) {
    ASSERT_OK_AND_ASSIGN(const Level* found, SelectLevel(name));
    EXPECT_EQ(found, AvailableLevels().back());
  }
}

TEST(SelectLevel, RefusesUnknownAndUnsupportedNamesNamingTheField) {
  const Result<const Level*> unknown = SelectLevel("sse9");
  EXPECT_THAT(unknown, StatusIs(StatusCode::kInvalidArgument, "sse9"));
  EXPECT_EQ(unknown.status().field(), "LEADLINE_SIMD");
#if defined(__x86_64__)
  const char* const foreign = "neon";
#else
  const char* const foreign = "avx2";
#endif
  const Result<const Level*> unsupported = SelectLevel(foreign);
  EXPECT_THAT(unsupported, StatusIs(StatusCode::kFailedPrecondition, foreign));
  EXPECT_EQ(unsupported.status().field(), "LEADLINE_SIMD");
}

TEST(DefaultLevelSelection, FollowsTheEnvironmentOrKeepsTheReason) {
  // Run three times by CTest: LEADLINE_SIMD unset, "scalar" and "sse9".
  const LevelSelection& selection = DefaultLevelSelection();
  const Result<const Level*> wanted = SelectLevel(selection.requested);
  EXPECT_EQ(&CurrentLevel(), wanted.ok() ? *wanted : AvailableLevels().back());
  EXPECT_EQ(&Kernels(), &CurrentLevel().distance);
  EXPECT_EQ(selection.fallback_reason.empty(), wanted.ok());
  if (!wanted.ok()) {
    EXPECT_EQ(selection.fallback_reason, wanted.status().message());
  }
}

TEST(MetricDistance, GrowsWithDissimilarityAndHasNoMinusZero) {
  const std::vector<float> a = {1.0F, 0.0F};
  const std::vector<float> b = {0.0F, 1.0F};
  const std::vector<float> ab = {1.0F, 0.0F, 0.0F, 1.0F};
  const uint32_t ids[] = {1, 0};
  for (const Level* level : AvailableLevels()) {
    const MetricDistance l2(Metric::kL2, 2, level->distance);
    const MetricDistance dot(Metric::kInnerProduct, 2, level->distance);
    const MetricDistance cosine(Metric::kCosine, 2, level->distance);
    EXPECT_EQ(l2.Pair(a.data(), b.data()), 2.0F);
    EXPECT_EQ(dot.Pair(a.data(), a.data()), -1.0F);
    EXPECT_EQ(cosine.Pair(a.data(), a.data()), -1.0F);
    float out[2];
    dot.Rows(a.data(), ab.data(), 2, out);
    EXPECT_EQ(out[0], -1.0F);
    EXPECT_EQ(std::bit_cast<uint32_t>(out[1]), 0U);
    dot.Gather(a.data(), ab.data(), ids, 2, out);
    EXPECT_EQ(std::bit_cast<uint32_t>(out[0]), 0U);
    EXPECT_EQ(out[1], -1.0F);
    EXPECT_EQ(std::bit_cast<uint32_t>(dot.Pair(a.data(), b.data())), 0U);
  }
}

}  // namespace
}  // namespace leadline::simd
