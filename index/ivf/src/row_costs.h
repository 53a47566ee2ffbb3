#pragma once

#include <algorithm>

#include "ivf_parts.h"

namespace leadline::index {

/// Nanoseconds of one core at 3 GHz, measured on word vectors and images; only their ratios matter.
struct RowCosts {
  explicit RowCosts(const IvfParts& parts);

  double scan = 0;   ///< of one matching row in a scan of all, found by its number
  double block = 0;  ///< of one row in a block, matching or not
  double code = 0;   ///< of one matching row of a list, by its own code
  double list = 0;   ///< of a list, however few rows match

  /// Of a row of a list, of which `share` match.
  [[nodiscard]] double Visit(double share) const { return std::min(block, share * code); }
};

}  // namespace leadline::index
