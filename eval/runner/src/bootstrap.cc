#include "leadline/eval/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "leadline/core/rng.h"

namespace leadline::eval {
namespace {

/// Value at `share` of the sorted means, interpolated between neighbours.
double Quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(std::floor(place));
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = place - static_cast<double>(below);
  return sorted[below] + part * (sorted[above] - sorted[below]);
}

}  // namespace

Interval BootstrapMeanInterval(std::span<const double> values, uint64_t seed, size_t resamples) {
  if (values.empty() || resamples == 0) {
    return {};
  }
  Rng rng(seed);
  std::vector<double> means(resamples);
  for (double& mean : means) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      sum += values[rng.Uniform(values.size())];
    }
    mean = sum / static_cast<double>(values.size());
  }
  std::sort(means.begin(), means.end());
  return {Quantile(means, 0.025), Quantile(means, 0.975)};
}

}  // namespace leadline::eval
