#include "kernel_loops.h"
#include "levels.h"

namespace {

/// Plain C++: the reference the other levels are tested against. Eight independent sums, so that
/// the compiler may keep them in whatever registers the baseline has.
struct Scalar {
  using Vec = float;
  static constexpr size_t kWidth = 1;
  static constexpr size_t kAccumulators = 8;
  static constexpr size_t kRowsTogether = 1;

  static Vec Zero() { return 0.0F; }

  static Vec Load(const float* p) { return *p; }

  static Vec LoadTail(const float* p, size_t) { return *p; }

  static Vec AddL2(Vec acc, Vec a, Vec b) {
    const float difference = a - b;
    return acc + difference * difference;
  }

  static Vec AddDot(Vec acc, Vec a, Vec b) { return acc + a * b; }

  static Vec Add(Vec a, Vec b) { return a + b; }

  static float Reduce(Vec v) { return v; }
};

}  // namespace

namespace leadline::simd {

constinit const DistanceKernels kScalarDistance = {
    PairDistance<Scalar, true>,  PairDistance<Scalar, false>,  RowsDistance<Scalar, true>,
    RowsDistance<Scalar, false>, GatherDistance<Scalar, true>, GatherDistance<Scalar, false>};

}  // namespace leadline::simd
