#pragma once

#include <optional>

#include "bit_lists.h"
#include "ivf_layout.h"
#include "leadline/core/types.h"
#include "leadline/index/principal_axes.h"
#include "leadline/index/row_codes.h"
#include "list_blocks.h"
#include "list_chooser.h"
#include "product_lists.h"

namespace leadline::index {

/// Everything an opened IVF index consists of. Immutable, thread-safe.
struct IvfParts {
  IvfView lists;
  MatrixView vectors;
  Metric metric = Metric::kL2;
  ListChooser chooser;
  bool chooses_by_bases = true;   ///< else by centroids that are not the bases of blocks()
  std::optional<RowCodes> codes;  ///< rows in the order of the lists
  PrincipalAxes axes;             ///< that these lie along; kept() is 0 where there are none
  // Scanned first where there are any, one of them at most; they need codes.
  std::optional<ProductLists> products;
  std::optional<BitLists> bits;

  /// Makes the chooser, by the bases of blocks where there are any: what it says of a list is then
  /// also what the codes of its rows start from. Not by them under kInnerProduct, where directions
  /// choose.
  void MakeChooser() {
    chooses_by_bases = blocks() == nullptr || metric != Metric::kInnerProduct;
    if (blocks() == nullptr || !chooses_by_bases) {
      chooser = ListChooser(lists.centroids, metric);
      return;
    }
    chooser = ListChooser(blocks()->bases, metric);
    for (size_t l = 0; l < chooser.lists() && vectors.rows > 0; ++l) {
      if (lists.offsets[l] == lists.offsets[l + 1]) {
        // Of copies of one row the mean may be farther from them than an empty list's centroid.
        chooser.PutLast(l);
      }
    }
  }

  /// True where the codes are sums of bytes, which many queries may share.
  [[nodiscard]] bool has_bytes() const {
    return codes.has_value() && codes->type() == CodeType::kSq8;
  }

  /// True where these are of the rows themselves, so that they bound the distances of the vectors.
  [[nodiscard]] bool has_bounds() const { return has_bytes() && axes.kept() == 0; }

  /// The query as the codes have it, valid until `projection` is used again.
  const float* AlongAxes(const float* query, Projection* projection) const {
    return axes.kept() == 0 ? query : projection->Project(axes, query);
  }

  /// What is scanned first; null where it is `codes` or the vectors.
  [[nodiscard]] const ListBlocks* blocks() const {
    return products.has_value() ? &products->blocks : bits.has_value() ? &bits->blocks : nullptr;
  }
};

}  // namespace leadline::index
