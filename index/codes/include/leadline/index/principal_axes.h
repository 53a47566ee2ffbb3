#pragma once

/// Rows in fewer dimensions, the code pca8: as far as a segment's variance lies along few axes, a
/// row stands in a table of sq8 codes as its lengths along these, and a query is brought there
/// first. What the axes leave out counts by its length alone.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/segment_index.h"
#include "leadline/simd/level.h"

namespace leadline::index {

/// Number of the section that holds them (storage/FORMAT.md).
inline constexpr uint32_t kPrincipalAxesSection = 50;

/// Validated axes over a section's bytes, which must outlive them. Immutable, thread-safe, cheap to
/// copy.
class PrincipalAxes {
 public:
  /// Checks header, size and that every number is one axes may have. kDataLoss otherwise;
  /// kUnimplemented for a newer version; kInvalidArgument where bytes are not on a 64-byte
  /// boundary.
  static Result<PrincipalAxes> Open(std::string_view bytes, size_t dim);

  /// Dimensions of the vectors.
  [[nodiscard]] size_t dim() const { return dim_; }

  /// Number of axes; 0 where rows are coded as they are.
  [[nodiscard]] size_t kept() const { return kept_; }

 private:
  friend class Projection;

  size_t dim_ = 0;
  size_t kept_ = 0;
  const float* mean_ = nullptr;     ///< [dim]
  const float* scales_ = nullptr;   ///< [kept]
  const uint8_t* codes_ = nullptr;  ///< [kept x stride]
  size_t stride_ = 0;
};

/// Brings one vector after the other to the axes of a segment. Thread-compatible; keeps its
/// buffers.
class Projection {
 public:
  explicit Projection(const simd::CodeKernels& kernels = simd::CurrentLevel().codes)
      : kernels_(&kernels) {}

  /// How far `vector` [dim] lies along each of the axes: [kept] floats, valid until the next call.
  /// Equal bits at every SIMD level. REQUIRES: axes.kept() >= 1.
  /// Cost: a sum of bytes over all dimensions for each axis.
  const float* Project(const PrincipalAxes& axes, const float* vector);

 private:
  const simd::CodeKernels* kernels_;
  std::vector<float> centred_;
  std::vector<int8_t> integers_;
  std::vector<uint32_t> numbers_;
  std::vector<int32_t> sums_;
  std::vector<float> lengths_;
};

/// What pca8 makes of a segment's rows.
struct ReducedRows {
  std::string axes;         ///< section kPrincipalAxesSection
  std::string codes;        ///< section kRowCodesSection: sq8 of `rows`, or of the vectors
  size_t kept = 0;          ///< number of axes; 0 where the rows need their dimensions
  std::vector<float> rows;  ///< [rows x kept], lengths along the axes
};

/// Learns the axes of `vectors` from a sample of them and takes as few as find, of the ten nearest
/// to rows that took no part in that, nearly all among the thirty nearest by their codes. Takes
/// none where these would be more than three quarters of the dimensions, with fewer than 2,048 rows
/// and with more than 2,048 dimensions.
/// `order` is that of the rows of the codes (EncodeRowCodes). Of `options` counts metric, held_out
/// (null draws some), seed, executor and control.
/// REQUIRES: finite rows, dim >= 1. Equal inputs give equal bytes on any number of threads and at
/// every SIMD level. Errors: kCancelled, kDeadlineExceeded. May throw std::bad_alloc.
/// Cost: seconds for each 1,000 dimensions cubed, and for each number of axes tried a product of
/// all rows with them and a comparison of each held-out row with all.
Result<ReducedRows> ReduceRows(MatrixView vectors, const BuildOptions& options,
                               std::span<const uint32_t> order = {});

}  // namespace leadline::index
