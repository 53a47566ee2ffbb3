#pragma once

#include "leadline/core/options.h"
#include "leadline/core/status.h"

namespace leadline::engine {

/// Applies `changes` to `options`. kInvalidArgument (an unknown field, one named twice, a value out
/// of range, nothing to change); `options` may then be anything.
Status ApplyChanges(const CollectionChanges& changes, CollectionOptions* options);

}  // namespace leadline::engine
