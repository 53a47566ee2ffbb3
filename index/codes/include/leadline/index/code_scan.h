#pragma once

/// Exact search by the 8-bit codes of rows: a quarter of the bytes of a scan in full precision, and
/// sums of integers. Rows whose codes leave open whether they are among the nearest, a few dozen,
/// are compared again in full precision; so the answer is that of a scan of the vectors, bit for
/// bit (docs/decisions/0015-exact-search-on-codes.md).

#include <cstdint>
#include <span>

#include "leadline/core/status.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/segment_index.h"

namespace leadline::index {

/// Rows and their codes. Borrowed.
struct CodedRows {
  const RowCodes& codes;  ///< sq8
  MatrixView vectors;
  /// Row of each position of the codes, and position of each row; both empty where they are equal.
  std::span<const uint32_t> row_of = {};
  std::span<const uint32_t> position_of = {};
};

/// Fills out[i] with the params.k nearest allowed rows of each of `queries` [n x dim], ties by
/// ascending row: rows and distances are those of a scan of the vectors (leadline/index/flat.h).
/// Of `params` counts k (of any size from 1), allowed, allowed_count, farthest and control. Codes count as
/// distances, rows compared again also as rescored; stats.scanned is set.
/// REQUIRES: queries of the codes' dimension, out.size() == queries.rows, finite values within
/// kMaxComponent, unit length for kCosine.
/// Cost: one sum of bytes a row and query; many queries share the reading of the codes. Memory: 4
/// bytes for each allowed row where `allowed` is set, 50 KB a query at worst.
/// Errors: kCancelled, kDeadlineExceeded. Equal answers for any batch split and SIMD level, up to
/// what the level's kernels give as distances.
Status ScanCodedRows(const CodedRows& rows, MatrixView queries, const SearchParams& params,
                     std::span<SearchOutcome> out);

}  // namespace leadline::index
