#pragma once

/// Exact search by scanning vectors in full precision: what the engine runs over its in-memory tail
/// and index kinds run where rows have no codes to scan (leadline/index/code_scan.h).
///
/// The distance of one pair of vectors has the same bits in all of them and in every index kind
/// (leadline/simd/distance.h), so results from several sources merge into one exact answer.

#include <cstdint>
#include <span>
#include <vector>

#include "leadline/index/segment_index.h"
#include "leadline/index/top_k.h"

namespace leadline::index {

/// Offers every allowed row of `vectors` to `top`, row i under the number first_row_number + i.
///
/// Shapes:  vectors [rows x dim], query [dim]; `allowed` null, or bit i for row i of `vectors`
///          (so a caller scanning in parts passes each part its own words), (rows + 63) / 64 words.
/// Numbers: first_row_number + rows <= 2^32.
/// Errors:  kInvalidArgument (query dimension; nothing offered), kCancelled, kDeadlineExceeded
///          (`top` then holds part of the answer and must be dropped).
/// Threads: safe beside anything that does not write the arguments; `top` and `stats` are the
///          caller's own. `stats` may be null; its counters are increased, not set.
/// Cost:    one distance per allowed row, no allocation; looks at `control` every 1,024 rows.
Status ScanRows(MatrixView vectors, VectorView query, Metric metric, const uint64_t* allowed,
                uint32_t first_row_number, const CallControl& control, TopK* top,
                SearchStats* stats);

/// ScanRows for each of `queries` [n x dim]: query i offers to tops[i] and counts in stats[i]. The
/// rows are read from memory once for all queries, a cache-sized tile at a time; the answers have
/// the bits of n single scans. Looks at `control` once a tile and query.
Status ScanRows(MatrixView vectors, MatrixView queries, Metric metric, const uint64_t* allowed,
                uint32_t first_row_number, const CallControl& control, std::span<TopK> tops,
                std::span<SearchStats> stats);

/// Offers the listed rows of `vectors` to `top`, each under its own number, duplicates as often as
/// they are listed.
///
/// Errors: kInvalidArgument (query dimension, or a row >= vectors.rows; nothing offered),
///         kCancelled, kDeadlineExceeded (drop `top`).
/// Threads, stats: as ScanRows. Cost: one distance per listed row, quickest in ascending order.
Status ScanList(MatrixView vectors, VectorView query, Metric metric, std::span<const uint32_t> rows,
                const CallControl& control, TopK* top, SearchStats* stats);

/// ScanList for each of `queries`; as the many-query ScanRows.
Status ScanList(MatrixView vectors, MatrixView queries, Metric metric,
                std::span<const uint32_t> rows, const CallControl& control, std::span<TopK> tops,
                std::span<SearchStats> stats);

/// Fills out[i] with the params.k nearest allowed rows of each of `queries`, as ScanRows finds
/// them; of `params` counts what SegmentIndex::SearchExact names. Errors: as ScanRows.
Status ScanSegment(MatrixView vectors, MatrixView queries, Metric metric,
                   const SearchParams& params, std::span<SearchOutcome> out);

/// Numbers of the first `rows` bits of `allowed` that are set, ascending.
std::vector<uint32_t> ListAllowed(const uint64_t* allowed, size_t rows);

}  // namespace leadline::index
