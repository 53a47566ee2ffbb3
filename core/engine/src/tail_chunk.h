#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dead_rows.h"
#include "leadline/core/mutex.h"
#include "leadline/core/options.h"
#include "leadline/core/payload_columns.h"
#include "leadline/core/status.h"
#include "leadline/index/segment_index.h"
#include "listed_tail.h"
#include "stored_record.h"

namespace leadline::engine {

/// A run of consecutive tail rows: committed, searchable, not yet in a segment file. It holds at
/// most kCapacity rows, fewer where they are long: its vectors take about kVectorBytes.
///
/// Rows are only ever appended, so addresses never move. Threads: one appender at a time (the
/// commit lock); readers touch rows below the count they got from a published state only.
class TailChunk {
 public:
  static constexpr size_t kCapacity = 1024;

  static constexpr size_t kVectorBytes = size_t{4} << 20;

  /// Allocates everything that its rows need but their ids and payloads.
  explicit TailChunk(const std::vector<VectorField>& fields);

  /// Bytes on the heap of a chunk of such rows, without ids and payloads.
  [[nodiscard]] static uint64_t BytesOf(const std::vector<VectorField>& fields);

  /// Appends one row; allocates nothing. `vectors` holds one row per field in search form (unit
  /// length for cosine), empty where the record has none. REQUIRES: HasRoom().
  void Append(uint64_t ordinal, StoredRecord&& record,
              const std::vector<std::vector<float>>& vectors);

  [[nodiscard]] size_t capacity() const { return capacity_; }

  /// False when it is full or frozen.
  [[nodiscard]] bool HasRoom() const {
    return size_ < capacity_ && !frozen_.load(std::memory_order_relaxed);
  }

  /// Rows appended so far; for the appender. Readers take the count from their state.
  [[nodiscard]] size_t size() const { return size_; }

  [[nodiscard]] uint64_t ordinal(size_t row) const { return ordinals_[row]; }

  [[nodiscard]] uint64_t sequence(size_t row) const { return rows_[row].sequence; }

  [[nodiscard]] const std::string& id(size_t row) const { return rows_[row].id; }

  [[nodiscard]] const std::string& payload(size_t row) const { return rows_[row].payload; }

  [[nodiscard]] int64_t expires_at_ms(size_t row) const { return rows_[row].expires_at_ms; }

  [[nodiscard]] bool has_field(size_t row, uint32_t field) const {
    return ((rows_[row].fields >> field) & 1U) != 0;
  }

  /// Row-major [capacity() x dim] in search form; rows without the field hold zeros.
  [[nodiscard]] const float* vectors(uint32_t field) const { return vectors_[field].get(); }

  [[nodiscard]] size_t dim(uint32_t field) const { return fields_[field].dim; }

  /// True where each row so far has the field.
  [[nodiscard]] bool all_have_field(uint32_t field) const {
    return ((common_fields_.load(std::memory_order_relaxed) >> field) & 1U) != 0;
  }

  [[nodiscard]] DeadRows& dead() { return dead_; }

  [[nodiscard]] const DeadRows& dead() const { return dead_; }

  /// Row of `ordinal` among the first `rows`, or `rows` when absent.
  [[nodiscard]] size_t FindRow(uint64_t ordinal, size_t rows) const;
  /// Payload columns over all rows once the chunk can grow no more, built on first use; null while
  /// it still grows or another thread builds them. `visible_rows` is what the caller's state shows
  /// of it. Errors: those of `control`.
  [[nodiscard]] Result<std::shared_ptr<const PayloadColumns>> Columns(
      size_t visible_rows, const CallControl& control) const;

  /// Scan of one field's rows by their codes, once all rows of a full chunk are there; built on
  /// first use. Null while it grows, where codes are no shorter, and while another thread builds
  /// it. The answers are those of comparing vectors(field).
  [[nodiscard]] Result<std::shared_ptr<const index::SegmentIndex>> CodedScan(
      uint32_t field, size_t visible_rows, const CallControl& control) const;

  /// The rows of the tail from this chunk on, in the lists of a segment.
  [[nodiscard]] ListedTail& listed(uint32_t field) const { return *listed_[field]; }

  /// No row will be appended any more (the tail was frozen for sealing).
  void Freeze() { frozen_.store(true, std::memory_order_release); }

  /// Takes rows again after a seal that failed, unless a reader relies on there being no more.
  void Thaw();

  /// Bytes of the rows so far: vectors, ids, payloads. What sealing and throttling count.
  [[nodiscard]] uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  /// Earliest expiry of a row, INT64_MAX when none expires.
  [[nodiscard]] int64_t min_expiry() const { return min_expiry_.load(std::memory_order_relaxed); }

  [[nodiscard]] size_t resident_bytes() const;

 private:
  [[nodiscard]] bool GrowsNoMore(size_t visible_rows) const {
    return visible_rows == capacity_ || frozen_.load(std::memory_order_acquire);
  }

  [[nodiscard]] Result<std::shared_ptr<const PayloadColumns>> BuildColumns(
      size_t rows, const CallControl& control) const;

  /// Codes of one field's rows.
  struct Coded;

  [[nodiscard]] Result<std::shared_ptr<const index::SegmentIndex>> EncodeRows(
      uint32_t field, const CallControl& control) const;

  const size_t capacity_;
  std::unique_ptr<uint64_t[]> ordinals_;
  std::unique_ptr<StoredRecord[]> rows_;
  size_t size_ = 0;
  std::vector<std::unique_ptr<float[]>> vectors_;
  std::vector<VectorField> fields_;
  DeadRows dead_;
  std::atomic<bool> frozen_{false};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> text_bytes_{0};  ///< ids and payloads alone
  std::atomic<int64_t> min_expiry_{INT64_MAX};
  std::atomic<uint32_t> common_fields_{UINT32_MAX};  ///< StoredRecord::fields that all rows have
  std::vector<std::unique_ptr<ListedTail>> listed_;  ///< by field
  mutable Mutex columns_mutex_;
  mutable bool building_columns_ LEADLINE_GUARDED_BY(columns_mutex_) = false;
  mutable std::shared_ptr<const PayloadColumns> columns_ LEADLINE_GUARDED_BY(columns_mutex_);
  mutable Mutex codes_mutex_;
  mutable bool encoding_ LEADLINE_GUARDED_BY(codes_mutex_) = false;
  mutable std::vector<std::shared_ptr<const index::SegmentIndex>> coded_
      LEADLINE_GUARDED_BY(codes_mutex_);  ///< by field
};

}  // namespace leadline::engine
