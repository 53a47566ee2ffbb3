#pragma once

#include <string>

#include "leadline/index/row_codes.h"
#include "leadline/index/segment_index.h"

namespace leadline::index::hnsw {

/// True where rows are to be searched by their codes.
bool HasCodes(const BuildOptions& options);

/// What a graph on codes is built by: sq8 whatever it is to be searched on, since they tell
/// neighbours apart well enough, and sq4 does not. Borrowed.
struct CodedVectors {
  MatrixView rows;  ///< what the codes are of: the vectors, or their lengths along axes
  const RowCodes& codes;
};

/// Builds the graph over `vectors` and returns it as the bytes of its section; by `coded`, where
/// rows are to be searched by codes, null otherwise. The same bytes for equal inputs and seed,
/// whatever the executor. REQUIRES: options checked, rows <= kMaxRows.
/// Errors: kCancelled, kDeadlineExceeded, kResourceExhausted (memory).
Result<std::string> BuildGraph(MatrixView vectors, const BuildOptions& options,
                               const CodedVectors* coded);

}  // namespace leadline::index::hnsw
