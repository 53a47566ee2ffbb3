#pragma once

/// Exact search by the codes of rows, which are shorter than vectors: sums of bytes or nibbles, or
/// products with bf16. Rows whose codes leave open whether they are among the nearest, a dozen with
/// sq8 and bf16 and some hundred with sq4, are compared again in full precision; so the answer is
/// that of a scan of the vectors, bit for bit (docs/decisions/0015-exact-search-on-codes.md).

#include <cstdint>
#include <span>

#include "leadline/core/status.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/segment_index.h"

namespace leadline::index {

/// Rows and their codes. Borrowed.
struct CodedRows {
  const RowCodes& codes;  ///< RowCodes::promises
  MatrixView vectors;
  /// Row of each position of the codes, and position of each row; both empty where they are equal.
  std::span<const uint32_t> row_of = {};
  std::span<const uint32_t> position_of = {};
};

/// What a scan of `rows` rows whose vectors are in memory goes by best: their codes, or kF32, the
/// vectors alone, where codes leave too many of few rows open.
CodeType QuickestScan(const RowCodes& codes, uint64_t rows);

/// Fills out[i] with the params.k nearest allowed rows of each of `queries` [n x dim], ties by
/// ascending row: rows and distances are those of a scan of the vectors (leadline/index/scan.h).
/// Of `params` counts k (of any size from 1), allowed, allowed_count, farthest, row_check and
/// control. Codes count as distances, once however often they are looked at, rows compared again
/// also as rescored; stats.scanned is set.
///
/// REQUIRES: queries of the codes' dimension, out.size() == queries.rows, finite values within
///          kMaxComponent, unit length for kCosine.
/// Cost:    one sum a row and query, with sq4 two in a batch; many queries share the reading of the
///          codes. Memory: 4 bytes for each allowed row where `allowed` is set, 50 KB a query at
///          worst; with sq4 in a call of few queries 4 bytes a query and row.
/// Errors:  kCancelled, kDeadlineExceeded; those of row_check.
/// Equal answers for any batch split and SIMD level, up to what the level's kernels give as
/// distances.
Status ScanCodedRows(const CodedRows& rows, MatrixView queries, const SearchParams& params,
                     std::span<SearchOutcome> out);

}  // namespace leadline::index
