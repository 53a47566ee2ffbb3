#include "levels.h"
#include "rotation_loops.h"

namespace leadline::simd::avx512 {

void Rotate(const float* signs, size_t dim, size_t rounds, float* values, float* room) {
  RotateValues(signs, dim, rounds, values, room);
}

}  // namespace leadline::simd::avx512
