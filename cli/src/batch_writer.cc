#include "batch_writer.h"

#include <utility>

namespace leadline::cli {

Status BatchWriter::Write(std::span<PreparedRow> rows) {
  for (size_t begin = 0; begin < rows.size();) {
    size_t end = begin;
    while (end < rows.size() && rows[end].error.ok()) {
      ++end;
    }
    LEADLINE_RETURN_IF_ERROR(WriteGood(rows.subspan(begin, end - begin)));
    if (end < rows.size()) {
      LEADLINE_RETURN_IF_ERROR(BadRow(std::move(rows[end].error)));
    }
    begin = end + 1;
  }
  return OkStatus();
}

Status BatchWriter::WriteGood(std::span<PreparedRow> rows) {
  if (rows.empty()) {
    return OkStatus();
  }
  WriteBatch batch;
  for (const PreparedRow& row : rows) {
    for (const Record& record : row.records) {
      batch.Upsert(record);
    }
  }
  Result<WriteResult> written = collection_.Write(batch);
  if (written.ok()) {
    acked_ += rows.size();
    sequence_ = written->sequence;
    return OkStatus();
  }
  Status error = std::move(written).status();
  if (error.code() != StatusCode::kInvalidArgument) {
    return error;
  }
  if (rows.size() == 1) {
    return BadRow(std::move(error.WithContext(rows[0].where)));
  }
  // The engine refuses batches whole: halve until the bad row stands alone.
  const size_t half = rows.size() / 2;
  LEADLINE_RETURN_IF_ERROR(WriteGood(rows.first(half)));
  return WriteGood(rows.subspan(half));
}

Status BatchWriter::BadRow(Status error) {
  if (!skip_bad_rows_) {
    return error;
  }
  ++skipped_;
  if (listed_.size() < kMaxListed) {
    listed_.push_back(error.message());
  }
  error.IgnoreError();
  return OkStatus();
}

}  // namespace leadline::cli
