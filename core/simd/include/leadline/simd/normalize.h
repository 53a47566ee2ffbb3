#pragma once

/// Finiteness, norms, and scaling to unit length.

#include <cstddef>

namespace leadline::simd {

/// Largest squared norm that NormalizeToUnit takes: four times as much is finite in f32. Vectors
/// within kMaxComponent and kMaxDim stay below.
inline constexpr double kMaxSquaredNorm = 8.5e37;

/// True when no element is infinite or NaN; true for n == 0.
[[nodiscard]] bool AllFinite(const float* values, size_t n);

/// True when the magnitude of each element is at most `limit`, which NaN's is not. REQUIRES: limit
/// is finite and not negative.
[[nodiscard]] bool AllWithin(const float* values, size_t n, float limit);

/// Sum of squares in double, in one fixed order on every machine and at every SIMD level; infinite
/// or NaN only when an element is.
[[nodiscard]] double SquaredNorm(const float* values, size_t n);

/// True where NormalizeToUnit can scale the vector.
[[nodiscard]] bool HasDirection(const float* values, size_t n);

/// Writes values / |values| to `out` (which may be `values`). Accumulates in double in one fixed
/// order: equal bits on every machine and at every SIMD level. The result's norm is 1 within 1e-6
/// (n * 2^-24 at worst). Returns false, `out` untouched, for a vector that has no direction: zero
/// norm, an infinite or NaN element, or a squared norm over kMaxSquaredNorm.
[[nodiscard]] bool NormalizeToUnit(const float* values, float* out, size_t n);

}  // namespace leadline::simd
