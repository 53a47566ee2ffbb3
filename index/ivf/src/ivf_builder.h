#pragma once

#include <vector>

#include "leadline/index/segment_index.h"

namespace leadline::index {

/// The build behind IvfIndexFactory().Build.
Result<std::vector<Section>> BuildIvf(MatrixView vectors, const BuildOptions& options);

/// Number of lists for `rows` rows with `codes` when the caller asked for `wanted` (0: automatic).
size_t ResolveNlist(size_t wanted, size_t rows, CodeType codes);

}  // namespace leadline::index
