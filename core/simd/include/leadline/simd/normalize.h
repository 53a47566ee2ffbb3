#pragma once

/// Checks and scaling at the door: what passes here cannot make a distance NaN later.

#include <cstddef>

namespace leadline::simd {

/// Largest squared norm a stored or query vector may have (about 8.5e37). Any squared Euclidean
/// distance (at most 4x this) and any dot product of two such vectors, partial sums included,
/// is then finite in f32.
inline constexpr double kMaxSquaredNorm = 8.5e37;

/// True when no element is infinite or NaN; true for n == 0.
[[nodiscard]] bool AllFinite(const float* values, size_t n);

/// Sum of squares in double, in one fixed order on every machine and at every SIMD level; infinite
/// or NaN only when an element is.
[[nodiscard]] double SquaredNorm(const float* values, size_t n);

/// True when every element is finite and the squared norm is at most kMaxSquaredNorm: the test for
/// kL2 and kInnerProduct vectors. Zero vectors pass.
[[nodiscard]] bool IsUsableVector(const float* values, size_t n);

/// Writes values / |values| to `out` (which may be `values`). Accumulates in double in one fixed
/// order: equal bits on every machine and at every SIMD level. The result's norm is 1 within 1e-6
/// (n * 2^-24 at worst). Returns false, `out` untouched, for a vector that has no direction: zero
/// norm, an infinite or NaN element, or a squared norm over kMaxSquaredNorm.
[[nodiscard]] bool NormalizeToUnit(const float* values, float* out, size_t n);

}  // namespace leadline::simd
