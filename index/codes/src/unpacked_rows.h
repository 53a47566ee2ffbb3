#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "leadline/index/row_codes.h"

namespace leadline::index {

/// Rows of sq4 with a byte for each nibble, in the order of the dimensions: what kernels on bytes
/// take. Holds a stretch of them at a time. Thread-compatible.
class UnpackedRows {
 public:
  /// Of `count` rows of `codes`: those that `ids` lists, or the first ones where it is null. All of
  /// it is borrowed. Holds `held` rows, `length` bytes apart.
  /// REQUIRES: length >= codes.dim(), held >= 1.
  UnpackedRows(const RowCodes& codes, const uint32_t* ids, size_t count, size_t length,
               size_t held);

  /// The rows from number `at` on, `count` of them at least: a byte of 0 to 15 for each dimension,
  /// then anything. Valid until the next call. Cost: unpacks `held` rows from `at` on unless those
  /// asked for are there. REQUIRES: count <= held; at + count at most the constructor's.
  const uint8_t* From(size_t at, size_t count);

 private:
  void Unpack(const uint8_t* code, uint8_t* out) const;

  const RowCodes& codes_;
  const uint32_t* ids_;
  size_t count_;
  size_t length_;
  size_t held_;
  size_t begin_ = 0;  ///< of the rows that are there
  size_t end_ = 0;
  std::vector<uint8_t> bytes_;
};

}  // namespace leadline::index
