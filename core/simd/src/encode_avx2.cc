#include "encode_loops.h"
#include "levels.h"

namespace leadline::simd::avx2 {

SignSums SignCodes(const float* turned, const float* from, size_t dim, uint8_t* codes) {
  return SignCodesOf(turned, from, dim, codes);
}

double Projection(const float* row, const float* base, size_t dim) {
  return ProjectionOf(row, base, dim);
}

ByteSums ByteCodes(const float* row, const float* mean, size_t dim, float* centred,
                   uint8_t* codes) {
  return ByteCodesOf(row, mean, dim, centred, codes);
}

RowSums ByteRow(const float* row, const float* centre, size_t dim, float* centred, uint8_t* codes) {
  return ByteRowOf(row, centre, dim, centred, codes);
}

float SquaredDistance(const float* a, const float* b, size_t dim) {
  return SquaredDistanceOf(a, b, dim);
}

}  // namespace leadline::simd::avx2
