#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/segment_index.h"

namespace leadline::index {

class RowCodes;

/// Rows of a segment that stand in for queries when it is tuned, with what each should find: the
/// rows nearest to it but itself.
struct HeldOutRows {
  std::vector<uint32_t> rows;  ///< drawn with replacement
  std::vector<std::vector<Neighbor>> nearest;
};

/// Neighbours of a held-out row.
inline constexpr size_t kHeldOutNeighbors = 10;

/// Draws rows of `vectors` [rows x dim, as an index compares them] and finds their
/// kHeldOutNeighbors nearest others, or as many as there are. 256 rows, fewer of large segments,
/// but 128. Equal inputs give equal rows and bits on any number of threads. No rows of an empty
/// matrix. Errors: kCancelled, kDeadlineExceeded. May throw std::bad_alloc.
/// Cost: a distance from each of them to each row; they pass over the rows 32 at a time. With sq8
/// `codes` of the rows, in their order, a fraction of that (leadline/index/code_scan.h): the answer
/// is the same.
Result<HeldOutRows> DrawHeldOutRows(MatrixView vectors, Metric metric, uint64_t seed,
                                    Executor* executor, const CallControl& control,
                                    const RowCodes* codes = nullptr);

}  // namespace leadline::index
