#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/segment_index.h"

namespace leadline::index {

/// Principal axes of rows in bytes, those of most variance first.
struct LearnedAxes {
  std::vector<float> mean;     ///< [dim]; zeros for kInnerProduct, whose axes are about the origin
  std::vector<float> scales;   ///< [count], value = scale * integer
  std::vector<int8_t> values;  ///< [count x stride], zeros behind the dimensions
  std::vector<double> shares;  ///< [count] of all variance, of each axis and those before it
  size_t stride = 0;           ///< dim rounded up to simd::kCodeBytes

  [[nodiscard]] size_t count() const { return scales.size(); }
};

/// The first `count` axes of rows `sample` of `vectors`; none where the rows do not differ.
/// REQUIRES: finite rows, 1 <= count <= vectors.dim, at most simd::kMaxPackedLength of them.
/// Equal on any number of threads and at every SIMD level. Of `options` counts metric, executor and
/// control. Errors: kCancelled, kDeadlineExceeded. May throw std::bad_alloc.
Result<std::optional<LearnedAxes>> LearnAxes(MatrixView vectors, std::span<const uint32_t> sample,
                                             size_t count, const BuildOptions& options);

/// Rows as their lengths along axes.
struct ProjectedRows {
  std::vector<float> lengths;   ///< [rows x kept]
  std::vector<float> left_out;  ///< [rows], squared length of what the axes leave out
};

/// Lengths of all rows along the first `kept` axes: those of Projection, bit for bit. Errors:
/// kCancelled, kDeadlineExceeded. May throw std::bad_alloc.
Result<ProjectedRows> ProjectRows(MatrixView vectors, const LearnedAxes& axes, size_t kept,
                                  const BuildOptions& options);

/// Section kPrincipalAxesSection with the first `kept` of them.
std::string EncodeAxes(const LearnedAxes& axes, size_t kept);

/// That which says that rows of `dim` values are coded as they are.
std::string EncodeNoAxes(size_t dim);

}  // namespace leadline::index
