#pragma once

/// Reads a query set.

#include <cstdint>
#include <string>
#include <vector>

#include "leadline/core/file_system.h"
#include "leadline/core/status.h"
#include "leadline/eval/file_format.h"

namespace leadline::eval {

struct InputQuery {
  std::string id;
  std::vector<float> vector;  ///< empty where the query is text
  std::string text;           ///< where `vector` is empty it is the query, and may be empty itself
  std::string filter;         ///< empty: none
  uint64_t row = 0;           ///< from 1; the line number in text formats
};

struct QueryReaderOptions {
  uint64_t id_offset = 0;  ///< as in RecordReaderOptions
  std::string hdf5_dataset = "test";
  uint64_t max_queries = UINT64_MAX;  ///< reads no further
  ReadLimits limits;
};

/// Reads all queries of `path`: any vector format; JSONL with `vector` or `text` (or both), `id` or
/// `_id` (else the row number) and `filter`; CSV with the same columns; a BEIR folder's
/// queries.jsonl. A `text` that is there and empty is a query like any other: published query sets
/// have such lines, and only whoever embeds it knows that it holds no word.
/// Errors: kInvalidArgument names file, row, field, value and limit; two queries of one id;
///         more than `options.limits`.
Result<std::vector<InputQuery>> ReadQueries(FileSystem* fs, const std::string& path,
                                            FileFormat format, const QueryReaderOptions& options);

}  // namespace leadline::eval
