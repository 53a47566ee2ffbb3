#pragma once

/// Distances between f32 vectors, one to one and one to many, in the widest instruction set this
/// machine has (leadline/simd/level.h).
///
/// At one level every path gives the same bits for the same pair of vectors: one at a time, in
/// rows, gathered, aligned or not, at any position of any batch. So exact answers agree between the
/// scan of a tail, a graph and a list, and ties are ties everywhere. Between levels the results
/// differ by rounding: |level - scalar| <= 2^-23 * (n + 8) * sum of |terms| + n * 2^-149, as long
/// as no partial sum overflows, which values within +-kMaxComponent rule out at any dim.

#include <cstddef>
#include <cstdint>

#include "leadline/core/types.h"

namespace leadline::simd {

/// One instruction-set level. Vectors are `n` floats, `n` may be 0, no alignment is needed.
/// Immutable, thread-safe. Infinities and NaN propagate as in IEEE arithmetic; denormals count.
struct DistanceKernels {
  using PairFunction = float (*)(const float* a, const float* b, size_t n);
  /// out[i] = distance(query, base + i * stride), i < count. `stride` in floats.
  using RowsFunction = void (*)(const float* query, const float* base, size_t stride, size_t count,
                                size_t n, float* out);
  /// out[i] = distance(query, base + ids[i] * stride), i < count. `stride` in floats.
  using GatherFunction = void (*)(const float* query, const float* base, size_t stride,
                                  const uint32_t* ids, size_t count, size_t n, float* out);

  PairFunction l2_squared;
  PairFunction inner_product;
  RowsFunction l2_squared_rows;
  RowsFunction inner_product_rows;
  GatherFunction l2_squared_gather;
  GatherFunction inner_product_gather;
};

/// Those of the process's level (leadline/simd/level.h).
const DistanceKernels& Kernels();

/// Distance of one metric at one level and dimension, as the engine orders it: growing with
/// dissimilarity. Squared Euclidean for kL2; 0 - dot product for kInnerProduct and kCosine (never
/// minus zero). Cheap to copy, immutable, thread-safe.
class MetricDistance {
 public:
  MetricDistance(Metric metric, size_t dim, const DistanceKernels& kernels = Kernels())
      : pair_(metric == Metric::kL2 ? kernels.l2_squared : kernels.inner_product),
        rows_(metric == Metric::kL2 ? kernels.l2_squared_rows : kernels.inner_product_rows),
        gather_(metric == Metric::kL2 ? kernels.l2_squared_gather : kernels.inner_product_gather),
        dim_(dim),
        negate_(metric != Metric::kL2) {}

  [[nodiscard]] float Pair(const float* a, const float* b) const {
    const float value = pair_(a, b, dim_);
    return negate_ ? 0.0F - value : value;
  }

  /// out[i] = Pair(query, base + i * dim), i < count.
  void Rows(const float* query, const float* base, size_t count, float* out) const {
    rows_(query, base, dim_, count, dim_, out);
    Orient(out, count);
  }

  /// out[i] = Pair(query, base + ids[i] * dim), i < count.
  void Gather(const float* query, const float* base, const uint32_t* ids, size_t count,
              float* out) const {
    gather_(query, base, dim_, ids, count, dim_, out);
    Orient(out, count);
  }

  [[nodiscard]] size_t dim() const { return dim_; }

 private:
  void Orient(float* out, size_t count) const {
    if (negate_) {
      for (size_t i = 0; i < count; ++i) {
        out[i] = 0.0F - out[i];
      }
    }
  }

  DistanceKernels::PairFunction pair_;
  DistanceKernels::RowsFunction rows_;
  DistanceKernels::GatherFunction gather_;
  size_t dim_;
  bool negate_;
};

}  // namespace leadline::simd
