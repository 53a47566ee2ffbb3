#pragma once

#include <cstddef>
#include <cstdint>

#include "leadline/core/types.h"
#include "leadline/index/row_codes.h"

namespace leadline::index {

inline constexpr uint32_t kRowCodesVersion = 3;
/// Before it there were no bounds at all.
inline constexpr uint32_t kOldestRowCodesVersion = 2;

/// Start of the section; storage/FORMAT.md, "Row codes". Little-endian.
struct RowCodesHeader {
  uint32_t version;
  uint32_t codes;   ///< CodeType
  uint32_t metric;  ///< Metric
  uint32_t rows;
  uint32_t dim;
  float error_steps;  ///< RowCodes::error_steps; version 2: 0 unless sq8, like the next
  float norm_steps;   ///< RowCodes::norm_steps
  uint32_t reserved[9];
};

static_assert(sizeof(RowCodesHeader) == 64);

/// Where the parts of a section lie, in bytes from its start. Follows from type, rows and dim
/// alone.
struct RowCodesShape {
  size_t code_bytes = 0;      ///< of one row, without padding
  size_t stride = 0;          ///< from row to row
  bool terms_in_row = false;  ///< in the last 8 bytes of each row's stride
  size_t mean = 0;            ///< [dim] f32
  size_t terms = 0;           ///< [rows] RowTerms; where they are not in the row
  size_t codes = 0;           ///< [rows x stride]
  size_t end = 0;             ///< kCodeBytes after the last row
};

/// REQUIRES: `codes` is sq8, sq4 or bf16; rows <= kMaxSegmentRows, dim <= kMaxDim.
RowCodesShape ShapeOf(CodeType codes, size_t rows, size_t dim);

/// Bytes of a row's code that low nibbles of its last group of sq4 fill: a group holds 128 values,
/// value j of the first half in the low nibble of byte j, that of the second in the high one; the
/// last group splits what is left of them in halves.
inline size_t NibbleHalf(size_t values_left) {
  return values_left >= 128 ? 64 : (values_left + 1) / 2;
}

}  // namespace leadline::index
