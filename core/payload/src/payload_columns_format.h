#pragma once

/// Byte layout of payload columns, version 1. All integers little-endian, nothing aligned.
///
///   Header (32 bytes)
///   offset size  field
///        0    4  magic "LPC1" (0x3143504C)
///        4    4  version, 1
///        8    4  row bound: every row number is below it; at most the segment's rows
///       12    4  paths, at most kMaxColumnPaths
///       16    4  flags: bit 0 = some path is not indexed (unknown paths may exist in any row)
///       20    4  zero
///       24    8  size of all, header included
///
///   Directory: one entry of 192 bytes per path, ascending by the bytes of the path text. An entry
///   is 12 pairs of u64 offset (from the start of the header) and u64 size, by Block. Blocks follow
///   the directory in the same order without gaps, up to the end. An absent row set, number block
///   or dictionary has size 0.
///
///   kPath              canonical text of the path, UTF-8
///   kPresent           row set: rows with a value at the path, null included
///   kNotNull           row set: rows with a value other than null
///   kDirectText        row set: rows with a string at the path itself, not as array element
///   kArray             row set: rows with an array at the path
///   kMulti             row set: rows with two or more values at the path (through arrays)
///   kOpaqueText        row set: rows with a string that is not in the dictionary
///   kOpaqueNumber      row set: rows with a number that is not in the number block
///   kTrue, kFalse      row sets: rows with that value, as value or element
///   kNumbers           u64 n; n x u64 bits; n x u32 row; n x u8 kind (ExactNumber), ascending by
///                      (value, row), no pair twice
///   kDictionary        u32 d, at least 1; u32 zero; (d + 1) x u32 text offset; (d + 1) x u32
///                      posting offset; texts; postings. Texts ascend by bytes; posting i is the
///                      row set of text i; offsets count from the first text (posting), the last
///                      one is the end
///
///   Row set: u32 count, at least 1; then, for a count up to 8, count x u32 row, ascending; else
///   the portable serialisation of a Roaring bitmap of that many rows
///   (https://github.com/RoaringBitmap/RoaringFormatSpec).

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "leadline/core/status.h"

namespace leadline {

inline constexpr uint32_t kColumnsMagic = 0x3143504C;
inline constexpr uint32_t kColumnsVersion = 1;
inline constexpr uint32_t kColumnsIncomplete = 1;
inline constexpr size_t kColumnsHeaderBytes = 32;
inline constexpr size_t kNumberPairBytes = 8 + 4 + 1;
inline constexpr uint32_t kMostPlainRows = 8;

/// Order of the blocks in a directory entry. Persisted: never renumber.
enum Block : size_t {
  kPath = 0,
  kPresent = 1,
  kNotNull = 2,
  kDirectText = 3,
  kArray = 4,
  kMulti = 5,
  kOpaqueText = 6,
  kOpaqueNumber = 7,
  kTrue = 8,
  kFalse = 9,
  kNumbers = 10,
  kDictionary = 11,
  kBlocks = 12,
};

inline constexpr size_t kDirectoryEntryBytes = kBlocks * 16;

/// The error of bytes that break `rule`.
inline Status DamagedColumns(std::string_view rule) {
  return DataLossError("payload columns are damaged: " + std::string(rule));
}

}  // namespace leadline
