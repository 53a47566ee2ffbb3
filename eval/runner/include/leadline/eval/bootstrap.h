#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace leadline::eval {

struct Interval {
  double lower = 0;
  double upper = 0;
};

inline constexpr size_t kBootstrapResamples = 2000;

/// 95% interval of the mean: percentile bootstrap over `values` (one per query), `resamples` draws
/// with replacement. The same values and seed give the same interval. No values: {0, 0}; one value:
/// that value twice. Cost: values.size() * resamples. Source: Efron & Tibshirani 1993, ch. 13.
Interval BootstrapMeanInterval(std::span<const double> values, uint64_t seed,
                               size_t resamples = kBootstrapResamples);

}  // namespace leadline::eval
