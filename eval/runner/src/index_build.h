#pragma once

#include <memory>
#include <string>

#include "leadline/core/database.h"

namespace leadline::eval {

/// What answers searches at some moment.
struct IndexBuild {
  /// Hash over the segments and the tail that are looked into with their row counts, 16 hex digits.
  /// Sealing, merging and rebuilding change it, and with it what approximate search finds.
  std::string hash;
  std::string simd;  ///< level of the kernels where the search runs: here, or at a server
};

/// Of searches of `field` at `snapshot`. Cost: one search.
Result<IndexBuild> IndexBuildAt(Collection& collection, const VectorField& field,
                                const std::shared_ptr<const Snapshot>& snapshot,
                                const CancelToken* cancel);

}  // namespace leadline::eval
