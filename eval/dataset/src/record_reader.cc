#include "leadline/eval/record_reader.h"

#include "jsonl_reader.h"
#include "vector_source.h"

namespace leadline::eval {
namespace {

class VectorRecordReader final : public RecordReader {
 public:
  VectorRecordReader(std::unique_ptr<VectorSource> source, const RecordReaderOptions& options)
      : RecordReader(options.on_error), source_(std::move(source)), offset_(options.id_offset) {}

  [[nodiscard]] const std::string& path() const override { return source_->path(); }

  [[nodiscard]] std::string_view row_unit() const override { return "row"; }

  [[nodiscard]] uint64_t bytes_read() const override { return source_->bytes_read(); }

  [[nodiscard]] uint64_t bytes_total() const override { return source_->bytes_total(); }

 protected:
  Result<bool> NextRow(InputRecord* record, bool* can_continue) override {
    *can_continue = false;  // without the row's bounds nothing after it can be read
    RawRow row;
    LEADLINE_ASSIGN_OR_RETURN(const bool more, source_->Next(&row));
    if (!more) {
      return false;
    }
    *can_continue = true;
    record->row = row.number;
    record->id = std::to_string(offset_ + row.number - 1);
    record->named_vectors.clear();
    record->expires_at_ms.reset();
    record->payload_json = "{}";
    LEADLINE_RETURN_IF_ERROR(ToFloats(row, source_->path(), &record->vector));
    return true;
  }

 private:
  const std::unique_ptr<VectorSource> source_;
  const uint64_t offset_;
};

}  // namespace

Result<bool> RecordReader::Next(InputRecord* record) {
  while (true) {
    if (!fatal_.ok()) {
      return fatal_;
    }
    bool can_continue = true;
    Result<bool> more = NextRow(record, &can_continue);
    if (more.ok()) {
      return more;
    }
    Status error = std::move(more).status();
    // I/O errors concern the file, whatever the format says.
    if (!can_continue || error.code() != StatusCode::kInvalidArgument) {
      fatal_ = error;
      fatal_.IgnoreError();  // the copy returned here is the one to be read
      return error;
    }
    if (!on_error_) {
      return error;
    }
    ++skipped_;
    on_error_(error);
  }
}

Result<std::unique_ptr<RecordReader>> OpenRecords(FileSystem* fs, const std::string& path,
                                                  FileFormat format,
                                                  const RecordReaderOptions& options) {
  if (format == FileFormat::kAuto) {
    LEADLINE_ASSIGN_OR_RETURN(format, DetectFileFormat(fs, path));
  }
  if (format == FileFormat::kBeir) {
    LEADLINE_ASSIGN_OR_RETURN(const bool folder, fs->IsDirectory(path));
    return OpenJsonl(fs, folder ? JoinPath(path, "corpus.jsonl") : path, true, options);
  }
  if (format == FileFormat::kJsonl) {
    return OpenJsonl(fs, path, true, options);
  }
  if (format == FileFormat::kCsv) {
    return OpenCsv(fs, path, options);
  }
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<VectorSource> source,
                            OpenVectors(fs, path, format, options.hdf5_dataset));
  return std::unique_ptr<RecordReader>(
      std::make_unique<VectorRecordReader>(std::move(source), options));
}

}  // namespace leadline::eval
