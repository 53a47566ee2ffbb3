#pragma once

#include <optional>

#include "ivf_layout.h"
#include "leadline/core/types.h"
#include "leadline/index/row_codes.h"
#include "list_chooser.h"
#include "product_lists.h"

namespace leadline::index {

/// Everything an opened IVF index consists of. Immutable, thread-safe.
struct IvfParts {
  IvfView lists;
  MatrixView vectors;
  Metric metric = Metric::kL2;
  ListChooser chooser;
  std::optional<RowCodes> codes;         ///< rows in the order of the lists
  std::optional<ProductLists> products;  ///< scanned first where there are any; needs codes
};

}  // namespace leadline::index
