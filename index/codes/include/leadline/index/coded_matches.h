#pragma once

/// The codes of the rows that a repeated filter passes, apart from all others: exact searches under
/// the filter then read one stretch of memory from end to end instead of a few lines here and
/// there.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "leadline/core/status.h"
#include "leadline/index/code_scan.h"
#include "leadline/index/filter_slot.h"
#include "leadline/index/packed_lines.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/segment_index.h"

namespace leadline::index {

/// sq8 codes of some rows of a table, packed as simd::TileKernels takes queries, so that a query
/// may be compared as if it were the row. Immutable, thread-safe.
class CodedMatches {
 public:
  /// So many bytes for each row of the table are taken at most.
  static constexpr size_t kBytesPerRow = 8;

  /// True where `matches` rows of `codes` may have codes of their own.
  static bool Fit(const RowCodes& codes, uint64_t matches);

  /// Of the rows whose bit is set in `words`. REQUIRES: sq8. Cost: copies their codes.
  CodedMatches(const CodedRows& rows, const uint64_t* words);

  /// Numbers of the rows, ascending.
  [[nodiscard]] std::span<const uint32_t> rows() const { return rows_; }

  [[nodiscard]] float scale_of(size_t match) const { return scales_[match]; }

  /// Largest of all scales.
  [[nodiscard]] float largest_scale() const { return largest_scale_; }

  /// Distances of each row from those of `queries`, as RowQuery::Distances has them, bit for bit:
  /// distances [queries x lanes()], where those of the rows come first. `sums` is room for as many
  /// integers. Looks at `control` now and then. Errors: kCancelled, kDeadlineExceeded.
  Status Compare(std::span<const RowQuery> queries, const CallControl& control, int32_t* sums,
                 float* distances) const;

  [[nodiscard]] size_t lanes() const { return offsets_.size(); }

  [[nodiscard]] size_t resident_bytes() const;

 private:
  void Pack(const CodedRows& rows, size_t first);

  size_t length_ = 0;  ///< bytes of a code that kernels look at
  PackedLines packed_;
  std::vector<uint32_t> rows_;
  std::vector<float> adds_;
  std::vector<float> scales_;
  std::vector<int32_t> offsets_;
  float largest_scale_ = 0;
};

/// CodedMatches of one filter, made once searches have asked often enough: a copy costs as much as
/// some searches without. Changes no answer by being there; SearchStats::rescored may be another.
/// Thread-safe.
class RepeatedMatches {
 public:
  /// Null until then, without a filter, where its rows do not fit, and where so few of them are
  /// allowed that comparing all does not pay. `rows` and the filter are the same in each call.
  const CodedMatches* For(const CodedRows& rows, const SearchParams& params);

  [[nodiscard]] size_t resident_bytes() const;

 private:
  std::atomic<uint32_t> asked_{0};
  std::atomic<const CodedMatches*> ready_{nullptr};
  std::unique_ptr<const CodedMatches> kept_;  ///< set by one search, once
};

/// What ScanCodedRows of `rows` answers where params.filter passes `matches`, of which those that
/// are not allowed count for nothing. Requirements and errors are the same.
Status ScanCodedMatches(const CodedRows& rows, const CodedMatches& matches, MatrixView queries,
                        const SearchParams& params, std::span<SearchOutcome> out);

/// What an index makes of a filter that only its exact searches ask for. Thread-safe.
class ScannedFilter final : public PreparedFilter {
 public:
  [[nodiscard]] RepeatedMatches& matches() const { return matches_; }

  [[nodiscard]] size_t resident_bytes() const override {
    return sizeof(*this) + matches_.resident_bytes();
  }

 private:
  mutable RepeatedMatches matches_;
};

/// The same as ScanCodedRows, by CodedMatches where a ScannedFilter in params.filter has them.
Status ScanUnderFilter(const CodedRows& rows, MatrixView queries, const SearchParams& params,
                       std::span<SearchOutcome> out);

}  // namespace leadline::index
