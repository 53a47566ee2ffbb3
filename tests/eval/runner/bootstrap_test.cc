#include "leadline/eval/bootstrap.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/rng.h"

namespace leadline::eval {
namespace {

TEST(Bootstrap, DegenerateSamplesHaveDegenerateIntervals) {
  const Interval none = BootstrapMeanInterval({}, 1);
  EXPECT_EQ(none.lower, 0);
  EXPECT_EQ(none.upper, 0);
  const std::vector<double> one = {0.7};
  EXPECT_DOUBLE_EQ(BootstrapMeanInterval(one, 1).lower, 0.7);
  EXPECT_DOUBLE_EQ(BootstrapMeanInterval(one, 1).upper, 0.7);
}

TEST(Bootstrap, SameSeedGivesTheSameInterval) {
  const std::vector<double> values = {0, 0.2, 0.3, 0.9, 1, 1};
  EXPECT_EQ(BootstrapMeanInterval(values, 5).lower, BootstrapMeanInterval(values, 5).lower);
  EXPECT_NE(BootstrapMeanInterval(values, 5).lower + BootstrapMeanInterval(values, 5).upper,
            BootstrapMeanInterval(values, 6).lower + BootstrapMeanInterval(values, 6).upper);
}

// For a large sample the percentile interval is close to mean +- 1.96 standard errors.
TEST(Bootstrap, AgreesWithTheNormalIntervalOnALargeSample) {
  Rng rng(17);
  std::vector<double> values(2000);
  double sum = 0;
  double squares = 0;
  for (double& value : values) {
    value = rng.UniformDouble();
    sum += value;
    squares += value * value;
  }
  const double n = static_cast<double>(values.size());
  const double mean = sum / n;
  const double error = std::sqrt((squares / n - mean * mean) / n);
  const Interval interval = BootstrapMeanInterval(values, 3);
  EXPECT_NEAR(interval.lower, mean - 1.96 * error, 0.2 * error);
  EXPECT_NEAR(interval.upper, mean + 1.96 * error, 0.2 * error);
}

}  // namespace
}  // namespace leadline::eval
