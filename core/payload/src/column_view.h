#pragma once

/// Checked views of the blocks of one column (payload_columns_format.h).

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "leadline/core/coding.h"
#include "leadline/core/exact_number.h"
#include "leadline/core/status.h"
#include "payload_columns_format.h"
#include "row_bits.h"

namespace leadline {

/// Sorted (value, row) pairs.
class NumberView {
 public:
  /// Checks everything; an empty block has no pairs.
  static Status Open(std::string_view block, uint32_t row_bound, NumberView* view);

  [[nodiscard]] size_t size() const { return size_; }

  [[nodiscard]] ExactNumber value(size_t i) const {
    ExactNumber number;
    ExactNumber::FromBits(static_cast<uint8_t>(kinds_[i]), DecodeFixed64(bits_ + i * 8), &number);
    return number;
  }

  [[nodiscard]] uint32_t row(size_t i) const { return DecodeFixed32(rows_ + i * 4); }

  /// First pair whose value is not below (is above) `value`.
  [[nodiscard]] size_t LowerBound(const ExactNumber& value) const;
  [[nodiscard]] size_t UpperBound(const ExactNumber& value) const;
  /// Adds the rows of pairs [first, last) to `rows`.
  void AddRows(size_t first, size_t last, RowBits* rows) const;

 private:
  const char* bits_ = nullptr;
  const char* rows_ = nullptr;
  const char* kinds_ = nullptr;
  size_t size_ = 0;
};

/// Sorted strings, each with its rows.
class DictionaryView {
 public:
  /// Checks everything; an empty block has no strings.
  static Status Open(std::string_view block, uint32_t row_bound, DictionaryView* view);

  [[nodiscard]] size_t size() const { return size_; }

  [[nodiscard]] std::string_view text(size_t i) const { return Slice(text_offsets_, texts_, i); }

  [[nodiscard]] size_t LowerBound(std::string_view text) const;
  [[nodiscard]] size_t UpperBound(std::string_view text) const;
  void AddRows(size_t first, size_t last, RowBits* rows) const;

 private:
  static std::string_view Slice(const char* offsets, const char* base, size_t i) {
    const uint32_t begin = DecodeFixed32(offsets + i * 4);
    return {base + begin, DecodeFixed32(offsets + i * 4 + 4) - begin};
  }

  const char* text_offsets_ = nullptr;
  const char* posting_offsets_ = nullptr;
  const char* texts_ = nullptr;
  const char* postings_ = nullptr;
  size_t size_ = 0;
};

/// One path with its blocks, all checked.
struct ColumnView {
  /// Reads one directory entry, whose blocks begin at `*position` of `bytes`; moves it behind them.
  static Status Open(std::string_view bytes, std::string_view entry, uint32_t row_bound,
                     uint64_t* position, ColumnView* view);

  std::string_view path;
  std::array<std::string_view, kBlocks> blocks{};
  NumberView numbers;
  DictionaryView texts;
};

}  // namespace leadline
