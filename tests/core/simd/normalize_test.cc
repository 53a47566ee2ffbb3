#include "leadline/simd/normalize.h"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "leadline/core/types.h"

namespace leadline::simd {
namespace {

constexpr uint64_t kSeed = 7;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(NormalizeToUnit, GivesUnitNormForAnyScale) {
  Rng rng(kSeed);
  for (const double scale : {1e-44, 1e-38, 1e-5, 1.0, 1e5, 1e17}) {
    for (const size_t n : {1U, 2U, 3U, 4U, 5U, 100U, 784U, 1027U}) {
      std::vector<float> values(n);
      for (float& value : values) {
        value = static_cast<float>(rng.Gaussian() * scale);
      }
      if (SquaredNorm(values.data(), n) == 0) {
        continue;  // every element rounded to zero at 1e-44
      }
      std::vector<float> unit(n);
      ASSERT_TRUE(NormalizeToUnit(values.data(), unit.data(), n)) << "seed " << kSeed;
      EXPECT_NEAR(SquaredNorm(unit.data(), n), 1.0, 2e-6) << "seed " << kSeed << " n " << n;
      ASSERT_TRUE(NormalizeToUnit(values.data(), values.data(), n));
      EXPECT_EQ(values, unit) << "in place";
    }
  }
}

TEST(NormalizeToUnit, TakesTheLargestVectors) {
  for (const size_t n : {size_t{1}, size_t{1000}, kMaxDim}) {
    std::vector<float> values(n, kMaxComponent);
    EXPECT_TRUE(HasDirection(values.data(), n)) << n;
    EXPECT_TRUE(NormalizeToUnit(values.data(), values.data(), n)) << n;
  }
}

TEST(NormalizeToUnit, RefusesVectorsWithoutADirectionAndLeavesTheOutputAlone) {
  const std::vector<std::vector<float>> refused = {{},
                                                   {0.0F, -0.0F, 0.0F},
                                                   {1.0F, kInfinity},
                                                   {-kInfinity, 1.0F},
                                                   {1.0F, 2.0F, 3.0F, 4.0F, kNan},
                                                   {3e38F, 3e38F},
                                                   {1e19F}};
  for (const std::vector<float>& values : refused) {
    std::vector<float> out(values.size(), 42.0F);
    EXPECT_FALSE(NormalizeToUnit(values.data(), out.data(), values.size()));
    EXPECT_FALSE(HasDirection(values.data(), values.size()));
    EXPECT_EQ(out, std::vector<float>(values.size(), 42.0F));
  }
}

TEST(NormalizeToUnit, GivesTheseBitsOnEveryMachine) {
  // Computed with NumPy in float64.
  const std::vector<float> values = {0.1F, -0.7F, 3.25F, 1e-3F, 12.5F, -8.0F, 0.333F};
  const std::vector<uint32_t> expected = {0x3bd7667a, 0xbd3c79ab, 0x3e5ac414, 0x3889db30,
                                          0x3f525a13, 0xbf06a00c, 0x3cb3521d};
  std::vector<float> unit(values.size());
  ASSERT_TRUE(NormalizeToUnit(values.data(), unit.data(), values.size()));
  for (size_t i = 0; i < unit.size(); ++i) {
    EXPECT_EQ(std::bit_cast<uint32_t>(unit[i]), expected[i]) << std::hex << i;
  }
}

TEST(AllFinite, SeesInfinityAndNanAtEveryPosition) {
  for (size_t n = 0; n < 40; ++n) {
    std::vector<float> values(n, -3.4e38F);
    EXPECT_TRUE(AllFinite(values.data(), n));
    for (size_t i = 0; i < n; ++i) {
      for (const float bad : {kInfinity, -kInfinity, kNan, -kNan}) {
        values[i] = bad;
        EXPECT_FALSE(AllFinite(values.data(), n));
      }
      values[i] = std::numeric_limits<float>::denorm_min();
    }
  }
}

TEST(AllWithin, SeesWhatIsBeyondAtEveryPosition) {
  constexpr float kLimit = 1e15F;
  const float above = std::nextafter(kLimit, kInfinity);
  for (size_t n = 0; n < 40; ++n) {
    std::vector<float> values(n, -kLimit);
    EXPECT_TRUE(AllWithin(values.data(), n, kLimit));
    for (size_t i = 0; i < n; ++i) {
      for (const float bad : {above, -above, kInfinity, -kInfinity, kNan, -kNan}) {
        values[i] = bad;
        EXPECT_FALSE(AllWithin(values.data(), n, kLimit));
      }
      values[i] = i % 2 == 0 ? kLimit : -0.0F;
    }
    EXPECT_TRUE(AllWithin(values.data(), n, kLimit));
  }
}

TEST(HasDirection, SaysWhatNormalizeToUnitTakes) {
  std::vector<float> unit(3);
  for (const float value : {0.0F, 1e-45F, 1.0F, 1e18F, 1e19F, kInfinity, kNan}) {
    const std::vector<float> values = {0.0F, value, 0.0F};
    EXPECT_EQ(HasDirection(values.data(), 3), NormalizeToUnit(values.data(), unit.data(), 3))
        << value;
  }
}

}  // namespace
}  // namespace leadline::simd
