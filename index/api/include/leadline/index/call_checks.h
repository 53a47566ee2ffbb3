#pragma once

/// The checks every index kind makes before it touches its arguments, so that all kinds refuse the
/// same calls with the same words.

#include <initializer_list>
#include <span>

#include "leadline/index/segment_index.h"

namespace leadline::index {

/// Shape of a segment's matrix: dim in [1, kMaxDim], rows <= kMaxSegmentRows, data where there are
/// rows. kInvalidArgument names the field.
Status CheckMatrix(MatrixView vectors);

/// CheckMatrix, and that the kind has the codes asked for: kUnimplemented for anything but kAuto,
/// kF32 and those of `codes`.
Status CheckBuild(MatrixView vectors, const BuildOptions& options,
                  std::initializer_list<CodeType> codes);

/// Matching query dimension, k >= 1 and one outcome per query. kInvalidArgument.
Status CheckExactSearch(MatrixView queries, const SearchParams& params,
                        std::span<const SearchOutcome> out, size_t dim);

/// Shape of a search over rows of `dim` floats: matching query dimension, k in [1, kMaxTopK],
/// ef_search <= kMaxEfSearch, nprobe <= kMaxNprobe, one outcome per query. kInvalidArgument.
Status CheckSearch(MatrixView queries, const SearchParams& params,
                   std::span<const SearchOutcome> out, size_t dim);

}  // namespace leadline::index
