#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chunker.h"
#include "leadline/core/executor.h"
#include "leadline/core/options.h"
#include "leadline/core/record.h"
#include "leadline/eval/record_reader.h"
#include "leadline/text/embedder.h"

namespace leadline::cli {

/// One row of an input file, ready to be written: several records where it was chunked.
struct PreparedRow {
  std::string where;     ///< "FILE line N" or "FILE row N", for messages
  std::string document;  ///< id of the row where it was cut into chunks, else empty
  std::vector<Record> records;
  Status error;  ///< why the row cannot be written; then `records` is empty

  /// What the row counts towards kMaxBatchBytes.
  [[nodiscard]] size_t bytes() const;
};

/// Id of a chunk: DOC#0, DOC#1, ...
std::string ChunkId(std::string_view document, size_t number);

/// Makes records of input rows: cuts texts, embeds what has no vector, checks vectors. Immutable
/// and thread-safe.
class RecordPreparer {
 public:
  /// `embedder` is the collection's own, or null where it has none. Errors: kFailedPrecondition or
  /// kInvalidArgument where `chunking` cannot be done for the collection.
  static Result<RecordPreparer> Create(const CollectionOptions& options,
                                       std::shared_ptr<const Embedder> embedder,
                                       const Chunking& chunking);

  /// Prepares rows on `executor`, keeping their order. `place` is what their numbers count, "FILE
  /// line" or "FILE row".
  std::vector<PreparedRow> Prepare(const std::string& place, std::vector<eval::InputRecord> rows,
                                   Executor* executor) const;

 private:
  RecordPreparer(const CollectionOptions& options, const Chunking& chunking)
      : options_(options), chunking_(chunking) {}

  [[nodiscard]] bool NeedsEmbedding(const eval::InputRecord& row) const;
  Result<std::vector<Record>> PrepareRow(eval::InputRecord row) const;
  Result<std::vector<Record>> EmbedRow(const eval::InputRecord& row) const;
  /// Refuses a cut whose pieces together are more than one write may hold.
  [[nodiscard]] Status CheckChunks(size_t chunks, size_t repeated_bytes) const;
  Status CheckVector(const Record& record) const;

  CollectionOptions options_;
  Chunking chunking_;
  std::shared_ptr<const Embedder> embedder_;
};

}  // namespace leadline::cli
