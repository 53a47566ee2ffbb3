#pragma once

#include "leadline/core/rng.h"
#include "reference_filter.h"

namespace leadline::testing {

/// An object over few keys, so that filters hit: missing, null, nested, arrays, mixed types,
/// Unicode, numbers at the edges of int64, uint64 and double, now and then text too long and arrays
/// too large to be indexed.
RefValue RandomPayload(Rng* rng);

/// A filter over the same keys and values, at most `depth` levels.
RefFilter RandomFilter(Rng* rng, int depth);

}  // namespace leadline::testing
