#pragma once

#include "leadline/core/types.h"
#include "leadline/index/segment_index.h"

namespace leadline::engine {

/// The factory of a concrete kind; null for kAuto.
const index::IndexFactory* FindIndexFactory(IndexKind kind);

/// Kind a segment of `rows` rows gets when the collection asks for `wanted`.
IndexKind ResolveIndexKind(IndexKind wanted, uint64_t rows);

}  // namespace leadline::engine
