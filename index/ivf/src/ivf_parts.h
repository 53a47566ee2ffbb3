#pragma once

#include <optional>

#include "bit_lists.h"
#include "ivf_layout.h"
#include "leadline/core/types.h"
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
  std::optional<RowCodes> codes;  ///< rows in the order of the lists
  // Scanned first where there are any, one of them at most; they need codes.
  std::optional<ProductLists> products;
  std::optional<BitLists> bits;

  /// What is scanned first; null where it is `codes` or the vectors.
  [[nodiscard]] const ListBlocks* blocks() const {
    return products.has_value() ? &products->blocks : bits.has_value() ? &bits->blocks : nullptr;
  }
};

}  // namespace leadline::index
