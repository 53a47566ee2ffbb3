#include "leadline/eval/latency.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace leadline::eval {
namespace {

TEST(LatencyHistogram, EmptyHistogramHasNoPercentiles) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.mean(), 0);
  EXPECT_EQ(histogram.Percentile(50).value, 0U);
  EXPECT_FALSE(histogram.Percentile(50).reliable);
}

TEST(LatencyHistogram, SmallValuesAreExact) {
  LatencyHistogram histogram;
  for (uint64_t v = 1; v <= 100; ++v) {
    histogram.Record(v);
  }
  EXPECT_EQ(histogram.Percentile(50).value, 50U);
  EXPECT_EQ(histogram.Percentile(99).value, 99U);
  EXPECT_EQ(histogram.Percentile(100).value, 100U);
  EXPECT_EQ(histogram.Percentile(0).value, 1U);
  EXPECT_DOUBLE_EQ(histogram.mean(), 50.5);
  EXPECT_EQ(histogram.min(), 1U);
  EXPECT_EQ(histogram.max(), 100U);
}

TEST(LatencyHistogram, EveryValueIsKeptWithinOnePercent) {
  std::mt19937_64 rng(7);
  for (int i = 0; i < 100000; ++i) {
    const uint64_t value = rng() >> (rng() % 64);
    LatencyHistogram histogram;
    histogram.Record(value / 2);  // widens [min, max] so that clamping does not help
    histogram.Record(value);
    histogram.Record(value);
    histogram.Record(UINT64_MAX);
    const auto got = static_cast<double>(histogram.Percentile(50).value);
    ASSERT_LE(std::abs(got - static_cast<double>(value)), 0.01 * static_cast<double>(value))
        << value;
  }
}

TEST(LatencyHistogram, PercentilesAgreeWithSortingWithinOnePercent) {
  std::mt19937_64 rng(11);
  std::lognormal_distribution<double> distribution(12, 1.5);
  std::vector<uint64_t> values;
  LatencyHistogram histogram;
  for (int i = 0; i < 20000; ++i) {
    const auto value = static_cast<uint64_t>(distribution(rng));
    values.push_back(value);
    histogram.Record(value);
  }
  std::sort(values.begin(), values.end());
  for (const double percent : {0.1, 1.0, 25.0, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0}) {
    const auto rank =
        static_cast<size_t>(std::ceil(percent / 100 * static_cast<double>(values.size()) - 1e-9));
    const auto exact = static_cast<double>(values[std::max<size_t>(rank, 1) - 1]);
    EXPECT_NEAR(static_cast<double>(histogram.Percentile(percent).value), exact, 0.01 * exact);
  }
  EXPECT_EQ(histogram.count(), values.size());
  EXPECT_EQ(histogram.min(), values.front());
  EXPECT_EQ(histogram.max(), values.back());
}

TEST(LatencyHistogram, PercentilesWithFewSamplesBeyondAreFlagged) {
  LatencyHistogram histogram;
  for (int i = 0; i < 999; ++i) {
    histogram.Record(1000);
  }
  EXPECT_FALSE(histogram.Percentile(99).reliable);
  histogram.Record(1000);
  EXPECT_TRUE(histogram.Percentile(99).reliable);
  EXPECT_TRUE(histogram.Percentile(50).reliable);
  EXPECT_FALSE(histogram.Percentile(99.9).reliable);
}

TEST(LatencyHistogram, ExtremesAndOddPercentagesAreHarmless) {
  LatencyHistogram histogram;
  histogram.Record(0);
  histogram.Record(UINT64_MAX);
  EXPECT_EQ(histogram.Percentile(-5).value, 0U);
  EXPECT_EQ(histogram.Percentile(500).value, histogram.Percentile(100).value);
  EXPECT_LE(histogram.Percentile(std::nan("")).value, UINT64_MAX);
}

}  // namespace
}  // namespace leadline::eval
