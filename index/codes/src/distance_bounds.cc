#include "distance_bounds.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "leadline/simd/normalize.h"

namespace leadline::index {
namespace {

constexpr double kUnderflow = 0x1p-100;

/// A float below `value`, of which kUnderflow was taken already.
float RoundedDown(double value) {
  return static_cast<float>(value - std::fabs(value) * 0x1p-23);
}

/// A float above `value`, to which kUnderflow was added already.
float RoundedUp(double value) {
  return static_cast<float>(value + std::fabs(value) * 0x1p-23);
}

double Square(double value) {
  return value * value;
}

/// Calls part(first, count, values) for the dimensions in parts of at most 64, and returns the sum
/// of squares of all `values` that it leaves. In plain loops, which become vectors.
template <class Part>
double SumOfSquares(size_t dim, const Part& part) {
  constexpr size_t kPart = 64;
  constexpr size_t kLanes = 8;
  double sums[kLanes] = {};
  for (size_t first = 0; first < dim; first += kPart) {
    double values[kPart];
    const size_t count = std::min(kPart, dim - first);
    part(first, count, values);
    std::fill(values + count, values + kPart, 0.0);
    for (size_t i = 0; i < kPart; i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        sums[lane] += values[i + lane] * values[i + lane];
      }
    }
  }
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/// Squared length of the integers of a query.
double SquaredNormOf(std::span<const int8_t> values) {
  int32_t sum = 0;  // at most kMaxDim times 2^14
  for (const int8_t value : values) {
    sum += int32_t{value} * value;
  }
  return sum;
}

}  // namespace

DistanceBounds::DistanceBounds(const RowCodes& codes, const RowQuery& prepared, VectorView query)
    : metric_(codes.metric()),
      error_steps_(codes.error_steps()),
      norm_steps_(codes.norm_steps()),
      least_error_(RowCodes::kLeastError * std::sqrt(static_cast<double>(codes.dim()))),
      rounding_(static_cast<double>(codes.dim() + 8) * 0x1p-23),
      of_estimate_(0x1p-21 + (codes.type() == CodeType::kBf16 ? rounding_ : 0)) {
  const bool dot = metric_ == Metric::kInnerProduct;
  const bool halves = codes.type() == CodeType::kBf16;
  const double step = dot ? 2.0 * prepared.map().multiplier : prepared.map().multiplier;
  const float* mean = codes.mean();
  const float* centred = prepared.centred().data();
  const int8_t* values = prepared.values().data();
  const double moved = dot ? 0 : 1;  // queries of the dot product stay where they are
  const double error = SumOfSquares(query.size(), [&](size_t first, size_t count, double* lost) {
    for (size_t i = 0; i < count; ++i) {
      lost[i] = double{query[first + i]} - moved * double{mean[first + i]};
    }
    for (size_t i = 0; !halves && i < count; ++i) {
      lost[i] -= step * static_cast<double>(values[first + i]);
    }
    for (size_t i = 0; halves && i < count; ++i) {
      lost[i] -= double{centred[first + i]};
    }
  });
  const double mean_norm = codes.squared_mean();
  query_norm_ = std::sqrt(simd::SquaredNorm(query.data(), query.size()));
  coded_norm_ = halves ? std::sqrt(simd::SquaredNorm(centred, query.size()))
                       : step * std::sqrt(SquaredNormOf(prepared.values()));
  // Far more than double arithmetic may have lost.
  constexpr double kSlack = 1 + 1e-9;
  query_error_ = std::sqrt(error) * kSlack + 1e-12 * (query_norm_ + std::sqrt(mean_norm));
  if (dot) {
    for (size_t i = 0; i < query.size(); ++i) {
      offset_ += double{query[i]} * double{mean[i]};
    }
    margin_steps_ = query_norm_ * error_steps_ + query_error_ * norm_steps_ +
                    rounding_ * query_norm_ * (norm_steps_ + error_steps_) +
                    of_estimate_ * norm_steps_ * coded_norm_;
    fixed_margin_ = query_norm_ * least_error_ +
                    (rounding_ + 1e-9) * query_norm_ * (std::sqrt(mean_norm) + least_error_) +
                    2 * kUnderflow;
  }
}

DistanceBounds::Reach DistanceBounds::ReachOf(float distance) const {
  if (distance == std::numeric_limits<float>::infinity()) {
    return {std::numeric_limits<double>::infinity(), 0, QuadraticOfReach()};
  }
  if (metric_ == Metric::kInnerProduct) {
    return {distance + offset_ + fixed_margin_, margin_steps_, 0};
  }
  double squared = (static_cast<double>(distance) + kUnderflow) / (1 - rounding_);
  if (metric_ == Metric::kCosine) {
    squared = Square(query_norm_) + 1 + 4 * rounding_ +
              2 * (static_cast<double>(distance) + rounding_ * query_norm_ * (1 + 4 * rounding_) +
                   kUnderflow);
  }
  const double radius = std::sqrt(std::max(squared, 0.0)) + query_error_ + least_error_;
  return {Square(radius) - (1 - of_estimate_) * Square(coded_norm_) + kUnderflow,
          2 * error_steps_ * radius + 2 * of_estimate_ * norm_steps_ * coded_norm_,
          QuadraticOfReach()};
}

double DistanceBounds::QuadraticOfReach() const {
  return metric_ == Metric::kInnerProduct
             ? 0
             : Square(error_steps_) + of_estimate_ * Square(norm_steps_);
}

DistanceBounds::Interval DistanceBounds::Of(float estimate, float scale) const {
  return metric_ == Metric::kInnerProduct ? OfDot(estimate, scale) : OfDistance(estimate, scale);
}

DistanceBounds::Interval DistanceBounds::OfDot(double estimate, double scale) const {
  const double centre = estimate - offset_;
  const double margin = fixed_margin_ + margin_steps_ * scale;
  return {RoundedDown(centre - margin), RoundedUp(centre + margin)};
}

DistanceBounds::Interval DistanceBounds::OfDistance(double estimate, double scale) const {
  const double rounding = of_estimate_ * Square(norm_steps_ * scale + coded_norm_) + kUnderflow;
  const double squared = estimate + Square(coded_norm_);
  const double error = query_error_ + error_steps_ * scale + least_error_;
  const double nearest = std::max(std::sqrt(std::max(squared - rounding, 0.0)) - error, 0.0);
  const double farthest = std::sqrt(std::max(squared + rounding, 0.0)) + error;
  if (metric_ == Metric::kL2) {
    return {RoundedDown(Square(nearest) * (1 - rounding_) - kUnderflow),
            RoundedUp(Square(farthest) * (1 + rounding_) + kUnderflow)};
  }
  const double of_sum = rounding_ * query_norm_ * (1 + 4 * rounding_) + kUnderflow;
  const double of_norms = Square(query_norm_) + 1;
  return {RoundedDown((Square(nearest) - of_norms - 4 * rounding_) / 2 - of_sum),
          RoundedUp((Square(farthest) - of_norms + 4 * rounding_) / 2 + of_sum)};
}

}  // namespace leadline::index
