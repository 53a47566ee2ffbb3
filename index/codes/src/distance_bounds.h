#pragma once

#include <span>

#include "leadline/core/types.h"
#include "leadline/index/row_codes.h"

namespace leadline::index {

/// How far the distance of one query to a row, as full precision gives it, can be from what the
/// row's code says. Immutable once made, cheap to copy.
///
/// Names: q the query, x a row, m the mean; q' = q - m (q itself under kInnerProduct), x' = x - m.
/// ^ marks what codes say of them; E is the estimate RowQuery::Distances gives, T the distance the
/// kernels of leadline/simd/distance.h give, n the dimension. RowCodes promises, for a row with
/// scale s,
///   |x' - x^| <= s * error_steps + kLeastError * sqrt(n)     and     |x^| <= s * norm_steps,
/// and |q' - q^| is computed for each query. Arithmetic on either side:
///   T is a sum of n terms, rounded in any order: within g = (n + 8) * 2^-23 of the sum of their
///     magnitudes, and 2^-100 more where they underflow;
///   E is within e * (s * norm_steps + |q^|)^2 + 2^-100 of |x^|^2 - 2 q^.x^; under kInnerProduct
///     within e * s * norm_steps * |q^| + 2^-100 of -q^.x^. Of sq8 and sq4 the dot product is an
///     exact sum of integers: e = 2^-21 covers the three roundings of a product with it and those
///     of |x^|^2 and of the difference. Of bf16 q^ is q' rounded to f32, and the dot product a sum
///     like those of T, within g |q^| |x^|, with n * 2^-126 more where products underflow: so
///     e = 2^-21 + g.
/// kL2: |q - x| lies within |q' - q^| + |x' - x^| of |q^ - x^|, whose square is E + |q^|^2.
/// kCosine: the same, and -q.x = (|q - x|^2 - |q|^2 - |x|^2) / 2 where | |x|^2 - 1 | <= 4g: rows
///   are of unit length, each element rounded to f32.
/// kInnerProduct: q.x = q.m + q.x', and |q.x' - q^.x^| <= |q| |x' - x^| + |q - q^| |x^|.
/// What is computed here is so in double; its own rounding is far below the margins above.
class DistanceBounds {
 public:
  /// Of `query` [dim], for which `prepared` was readied.
  DistanceBounds(const RowCodes& codes, const RowQuery& prepared, VectorView query);

  /// A polynomial in the scale of a row: rows whose T is at most some distance have estimates of at
  /// most its value. `constant` may be infinite; `quadratic` is the same for all distances and
  /// queries.
  struct Reach {
    double constant = 0;
    double linear = 0;
    double quadratic = 0;
  };

  /// REQUIRES: distance is not NaN; infinity admits every row.
  [[nodiscard]] Reach ReachOf(float distance) const;

  struct Interval {
    float lower = 0;
    float upper = 0;
  };

  /// T lies in it, ends included, for a row with this estimate and scale.
  [[nodiscard]] Interval Of(float estimate, float scale) const;

 private:
  [[nodiscard]] double QuadraticOfReach() const;
  [[nodiscard]] Interval OfDot(double estimate, double scale) const;
  [[nodiscard]] Interval OfDistance(double estimate, double scale) const;

  Metric metric_;
  double error_steps_;
  double norm_steps_;
  double least_error_;       ///< kLeastError * sqrt(n)
  double rounding_;          ///< g
  double of_estimate_;       ///< e
  double query_norm_ = 0;    ///< |q|
  double coded_norm_ = 0;    ///< |q^|
  double query_error_ = 0;   ///< |q' - q^|
  double offset_ = 0;        ///< kInnerProduct: q.m
  double fixed_margin_ = 0;  ///< kInnerProduct: the part that no scale enters
  double margin_steps_ = 0;  ///< kInnerProduct: what a scale is multiplied by
};

/// The least float at or above the polynomial at `scale`; what exceeds all floats becomes the
/// largest. Without branches, so that a loop over lanes becomes vectors.
inline float ThresholdAt(const DistanceBounds::Reach& reach, double scale) {
  constexpr double kLargest = 3.4028234663852886e38;
  const double value = reach.constant + scale * (reach.linear + scale * reach.quadratic);
  const double raised = value + (value < 0 ? -value : value) * 0x1p-22;
  return static_cast<float>(raised < kLargest ? raised : kLargest);
}

}  // namespace leadline::index
