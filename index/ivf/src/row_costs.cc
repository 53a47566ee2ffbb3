#include "row_costs.h"

namespace leadline::index {

RowCosts::RowCosts(const IvfParts& parts) {
  const auto dim = static_cast<double>(parts.vectors.dim);
  const bool bytes = parts.codes.has_value() && parts.codes->type() == CodeType::kSq8;
  scan = bytes ? 2.5 + dim / 50 : 3 + dim / 8;
  code = parts.codes.has_value() ? 2.5 + dim / 50 : scan;
  const ListBlocks* const blocks = parts.blocks();
  block = blocks == nullptr ? code : 0.4 + static_cast<double>(blocks->bytes_per_row()) / 48;
  list = 60;
}

}  // namespace leadline::index
