#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ivf_layout.h"
#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "product_quantizer.h"

namespace leadline::index {

inline constexpr uint32_t kIvfProductsSection = 41;
inline constexpr uint32_t kIvfProductsVersion = 1;

/// Start of the section; storage/FORMAT.md, "IVF product codes". Little-endian.
struct ProductListsHeader {
  uint32_t version;
  uint32_t metric;  ///< Metric
  uint32_t rows;
  uint32_t dim;
  uint32_t nlist;
  uint32_t width;  ///< PqShape::width
  uint32_t reserved[10];
};

static_assert(sizeof(ProductListsHeader) == 64);

/// Parts of a validated section; points into its bytes, which must outlive it.
struct ProductLists {
  PqShape shape;
  MatrixView bases;                   ///< [nlist x dim]: what a list's residuals start from
  const float* codewords = nullptr;   ///< [shape.codeword_floats()]
  const float* adds = nullptr;        ///< [blocks x kBlockRows]; null unless the metric is kL2
  const uint8_t* blocks = nullptr;    ///< [blocks x shape.block_bytes()]
  std::vector<uint32_t> first_block;  ///< [nlist + 1]: each list starts a block of its own

  /// Checks header and size, and that every float is finite. kDataLoss otherwise.
  static Result<ProductLists> Open(std::string_view bytes, const IvfView& lists, Metric metric);
};

/// Codes rows one after the other, each by its difference to the base of its list.
/// Thread-compatible.
class ListEncoder {
 public:
  /// `codewords` must outlive the object.
  ListEncoder(PqShape shape, Metric metric, const float* codewords);

  /// Readies the code of `row` in a list with this base. Shapes: row and base [dim].
  void Encode(const float* row, const float* base);

  /// Puts it down as row `r` (< kBlockRows) of a block that holds zeros for it, and its term at
  /// `add` under kL2. `base` is the one that it was coded with.
  void Place(const float* base, size_t r, uint8_t* block, float* add) const;

  /// Squared distance between the row and what its code stands for.
  [[nodiscard]] double SquaredError() const;

 private:
  const PqShape shape_;
  const Metric metric_;
  const float* const codewords_;
  std::vector<float> residual_;
  std::vector<float> decoded_;
  std::vector<uint8_t> codes_;
};

/// Codes every row of `lists` (rows of `vectors`) by parts of its difference to the mean of its
/// list; under kL2 each row has a term beside its code. Equal bytes on any number of threads.
/// Errors: kCancelled, kDeadlineExceeded. May throw std::bad_alloc on the calling thread.
Result<std::string> EncodeProductLists(MatrixView vectors, const IvfView& lists, Metric metric,
                                       size_t width, uint64_t seed, Executor* executor,
                                       const CallControl& control);

}  // namespace leadline::index
