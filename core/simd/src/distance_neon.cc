// Advanced SIMD is part of the aarch64 baseline: no flags, always available there.
#include <arm_neon.h>

#include "kernel_loops.h"
#include "levels.h"

namespace {

/// Thirty-two registers of four floats.
struct Neon {
  using Vec = float32x4_t;
  static constexpr size_t kWidth = 4;
  static constexpr size_t kAccumulators = 4;
  static constexpr size_t kRowsTogether = 4;

  static Vec Zero() { return vdupq_n_f32(0.0F); }

  static Vec Load(const float* p) { return vld1q_f32(p); }

  static Vec LoadTail(const float* p, size_t count) {
    float lanes[kWidth] = {0.0F, 0.0F, 0.0F, 0.0F};
    for (size_t i = 0; i < count; ++i) {
      lanes[i] = p[i];
    }
    return vld1q_f32(lanes);
  }

  static Vec AddL2(Vec acc, Vec a, Vec b) {
    const float32x4_t difference = vsubq_f32(a, b);
    return vfmaq_f32(acc, difference, difference);
  }

  static Vec AddDot(Vec acc, Vec a, Vec b) { return vfmaq_f32(acc, a, b); }

  static Vec Add(Vec a, Vec b) { return vaddq_f32(a, b); }

  static float Reduce(Vec v) { return vaddvq_f32(v); }
};

}  // namespace

namespace leadline::simd {

constinit const DistanceKernels kNeonDistance = {
    PairDistance<Neon, true>,  PairDistance<Neon, false>,  RowsDistance<Neon, true>,
    RowsDistance<Neon, false>, GatherDistance<Neon, true>, GatherDistance<Neon, false>};

}  // namespace leadline::simd
