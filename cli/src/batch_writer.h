#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "batch_source.h"
#include "leadline/core/collection.h"

namespace leadline::cli {

/// Writes prepared rows in order and keeps count of what was acknowledged. A row that cannot be
/// written ends the work, or is left out and listed. Of a document that was cut into fewer chunks
/// than before, the chunks that are left over go in the same batch. Externally synchronised.
class BatchWriter {
 public:
  /// Messages kept of rows that were left out; all are counted.
  static constexpr size_t kMaxListed = 1000;

  BatchWriter(Collection& collection, bool skip_bad_rows)
      : collection_(collection), skip_bad_rows_(skip_bad_rows) {}

  /// Writes `rows`. Every row before a bad one is acknowledged when the error comes back.
  Status Write(std::span<PreparedRow> rows);

  [[nodiscard]] uint64_t acked() const { return acked_; }

  [[nodiscard]] SequenceNumber sequence() const { return sequence_; }

  [[nodiscard]] uint64_t skipped() const { return skipped_; }

  /// Why rows were left out, the first kMaxListed.
  [[nodiscard]] const std::vector<std::string>& listed() const { return listed_; }

 private:
  Status WriteInOrder(std::span<PreparedRow> rows);
  Status WriteGood(std::span<PreparedRow> rows);
  Status DeleteLeftOverChunks(std::span<const PreparedRow> rows, WriteBatch* batch);
  Status BadRow(Status error);

  Collection& collection_;
  bool skip_bad_rows_;
  uint64_t acked_ = 0;
  SequenceNumber sequence_ = 0;
  uint64_t skipped_ = 0;
  std::vector<std::string> listed_;
};

}  // namespace leadline::cli
