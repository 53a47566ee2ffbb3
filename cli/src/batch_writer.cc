#include "batch_writer.h"

#include <algorithm>
#include <map>
#include <utility>

#include "leadline/core/types.h"

namespace leadline::cli {

Status BatchWriter::Write(std::span<PreparedRow> rows) {
  Status written = WriteInOrder(rows);
  for (const PreparedRow& row : rows) {
    row.error.IgnoreError();  // of those behind the one that stops the import nobody is told
  }
  return written;
}

Status BatchWriter::WriteInOrder(std::span<PreparedRow> rows) {
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
  LEADLINE_RETURN_IF_ERROR(DeleteLeftOverChunks(rows, &batch));
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

Status BatchWriter::DeleteLeftOverChunks(std::span<const PreparedRow> rows, WriteBatch* batch) {
  struct Chunks {
    size_t kept = 0;     ///< of the last row of the document
    size_t written = 0;  ///< most of any row of the document in this batch
  };

  std::map<std::string, Chunks> documents;
  for (const PreparedRow& row : rows) {
    if (!row.document.empty()) {
      Chunks& chunks = documents[row.document];
      chunks.kept = row.records.size();
      chunks.written = std::max(chunks.written, chunks.kept);
    }
  }
  std::vector<std::string> ids;
  for (const auto& [document, chunks] : documents) {
    for (size_t i = chunks.kept; i < chunks.written; ++i) {
      batch->Delete(ChunkId(document, i));
    }
    ids.push_back(ChunkId(document, chunks.written));
  }
  ReadOptions reading;
  reading.with_payload = false;
  reading.with_vectors = false;
  for (;;) {
    // No record has such an id.
    std::erase_if(ids, [](const std::string& id) { return id.size() > kMaxIdBytes; });
    if (ids.empty()) {
      return OkStatus();
    }
    const auto got = collection_.Get(ids, reading);
    if (got.status().code() == StatusCode::kInvalidArgument) {
      return OkStatus();  // the write finds the bad row
    }
    LEADLINE_RETURN_IF_ERROR(got.status());
    const auto& found = *got;
    std::vector<std::string> next;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (found[i]) {
        const size_t number = ids[i].rfind('#') + 1;
        next.push_back(ids[i].substr(0, number) +
                       std::to_string(std::stoull(ids[i].substr(number)) + 1));
        batch->Delete(std::move(ids[i]));
      }
    }
    ids = std::move(next);
  }
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
