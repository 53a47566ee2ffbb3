#pragma once

#include <string>

#include "leadline/index/segment_index.h"

namespace leadline::index::hnsw {

/// True where rows are to be searched by their codes.
bool HasCodes(const BuildOptions& options);

/// Builds the graph over `vectors` and returns it as the bytes of its section. The same bytes for
/// equal inputs and seed, whatever the executor. REQUIRES: options checked, rows <= kMaxRows.
/// Errors: kCancelled, kDeadlineExceeded, kResourceExhausted (memory).
Result<std::string> BuildGraph(MatrixView vectors, const BuildOptions& options);

}  // namespace leadline::index::hnsw
