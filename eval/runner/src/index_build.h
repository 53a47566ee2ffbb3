#pragma once

#include <memory>
#include <string>

#include "leadline/core/database.h"

namespace leadline::eval {

/// Names the parts that a search of `field` at `snapshot` looks into: hash over the segments and
/// the tail with their row counts, 16 hex digits. Sealing, merging and rebuilding change it, and
/// with it what approximate search finds. Cost: one search.
Result<std::string> IndexBuildAt(Collection& collection, const VectorField& field,
                                 const std::shared_ptr<const Snapshot>& snapshot,
                                 const CancelToken* cancel);

}  // namespace leadline::eval
