#pragma once

#include <cstddef>
#include <cstdint>

namespace leadline::index {

/// What stands beside a row in bytes. `add` and `scale` come first, as simd::SumTile takes them.
struct ByteRowTerms {
  float add = 0;    ///< always 0
  float scale = 0;  ///< x - centre ~ scale * (code - 128)
  float norm = 0;   ///< |x - centre|^2
  float error = 0;  ///< |x - centre - what the codes say|^2
};

/// Bytes of a row of `dim` values: a multiple of simd::kPackedStep.
size_t ByteRowStride(size_t dim);

/// Writes 128 + round((row - centre) / scale) to codes [ByteRowStride(dim)], 128 where there is no
/// value; scale = largest magnitude / 127. Equal bits on every machine and at every SIMD level.
/// Shapes: row, centre and `centred` (room to work in) [dim].
ByteRowTerms EncodeByteRow(const float* row, const float* centre, size_t dim, float* centred,
                           uint8_t* codes);

/// Sum of squares of differences, in one fixed order on every machine and at every SIMD level.
float FixedSquaredDistance(const float* a, const float* b, size_t dim);

}  // namespace leadline::index
