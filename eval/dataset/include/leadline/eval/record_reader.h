#pragma once

/// Reads records for import from files of any supported format, one at a time.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "leadline/core/file_system.h"
#include "leadline/core/status.h"
#include "leadline/eval/file_format.h"

namespace leadline::eval {

struct InputRecord {
  std::string id;             ///< 1-512 bytes of UTF-8
  std::vector<float> vector;  ///< finite; empty where the record has none
  std::vector<std::pair<std::string, std::vector<float>>> named_vectors;
  std::string payload_json;              ///< one JSON object, "{}" where there is none
  std::optional<int64_t> expires_at_ms;  ///< Unix milliseconds; JSONL only
  uint64_t row = 0;                      ///< data row from 1; the line number in text formats
};

struct RecordReaderOptions {
  /// Added to the row index (from 0) that names a record in files without ids.
  uint64_t id_offset = 0;
  /// Called with each bad row, which is then skipped. Empty: `Next` returns the error.
  std::function<void(const Status&)> on_error;
  std::string hdf5_dataset = "train";
};

/// Streams records with memory bounded by the largest row. Thread-compatible.
class RecordReader {
 public:
  virtual ~RecordReader() = default;

  /// Reads the next record; false at the end. A bad row gives kInvalidArgument that names file,
  /// row or line, field, value and limit; the next call then reads the row after it, unless
  /// `can_continue()` is false (the rest of the file cannot be told apart), where it repeats the
  /// error. `record` is unspecified after an error.
  Result<bool> Next(InputRecord* record);

  /// The file that is read; of a BEIR folder, the one within.
  [[nodiscard]] virtual const std::string& path() const = 0;
  /// What `InputRecord::row` counts: "line" or "row".
  [[nodiscard]] virtual std::string_view row_unit() const = 0;

  [[nodiscard]] virtual uint64_t bytes_read() const = 0;
  [[nodiscard]] virtual uint64_t bytes_total() const = 0;

  /// False after an error that ends the file.
  [[nodiscard]] bool can_continue() const { return fatal_.ok(); }

  /// Bad rows given to `on_error` so far.
  [[nodiscard]] uint64_t skipped() const { return skipped_; }

 protected:
  explicit RecordReader(std::function<void(const Status&)> on_error)
      : on_error_(std::move(on_error)) {}

  /// One row. kInvalidArgument with `*can_continue` left true concerns this row only.
  virtual Result<bool> NextRow(InputRecord* record, bool* can_continue) = 0;

 private:
  std::function<void(const Status&)> on_error_;
  uint64_t skipped_ = 0;
  Status fatal_;
};

/// Opens `path`.
///
/// JSONL: `id` or `_id` (string), `vector` (array), `vectors` (name -> array, at most
///        kMaxNamedVectors), `payload` (object), `expires_at_ms` (whole number above 0); every
///        other top-level field joins the payload. BEIR: the folder's corpus.jsonl.
/// CSV:   columns `id` or `_id` (else the row number), `vector` (numbers separated by commas,
///        semicolons or blanks, brackets allowed); every other column joins the payload, an
///        unquoted JSON number that a double can hold, true or false as such, an empty cell not at
///        all, the rest as text.
/// Vectors: ids are row numbers; integers become floats.
/// Errors: kInvalidArgument (format, header), kNotFound and other I/O errors.
Result<std::unique_ptr<RecordReader>> OpenRecords(FileSystem* fs, const std::string& path,
                                                  FileFormat format,
                                                  const RecordReaderOptions& options);

}  // namespace leadline::eval
