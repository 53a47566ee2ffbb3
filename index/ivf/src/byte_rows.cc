#include "byte_rows.h"

#include <algorithm>

#include "leadline/core/round_up.h"
#include "leadline/simd/level.h"

namespace leadline::index {

size_t ByteRowStride(size_t dim) {
  return RoundUp(dim, simd::kPackedStep);
}

ByteRowTerms EncodeByteRow(const float* row, const float* centre, size_t dim, float* centred,
                           uint8_t* codes) {
  const simd::RowSums sums = simd::CurrentLevel().codes.byte_row(row, centre, dim, centred, codes);
  std::fill(codes + dim, codes + ByteRowStride(dim), uint8_t{128});
  return {0, sums.scale, sums.norm, sums.error};
}

float FixedSquaredDistance(const float* a, const float* b, size_t dim) {
  return simd::CurrentLevel().codes.squared_distance(a, b, dim);
}

}  // namespace leadline::index
