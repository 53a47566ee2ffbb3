#include "jsonl_reader.h"

#include "input_file.h"
#include "json_record.h"

namespace leadline::eval {
namespace {

class JsonlReader final : public RecordReader {
 public:
  JsonlReader(LineReader lines, bool require_id, const RecordReaderOptions& options)
      : RecordReader(options.on_error), lines_(std::move(lines)), require_id_(require_id) {}

  [[nodiscard]] const std::string& path() const override { return lines_.file().path(); }

  [[nodiscard]] std::string_view row_unit() const override { return "line"; }

  [[nodiscard]] uint64_t bytes_read() const override { return lines_.file().position(); }

  [[nodiscard]] uint64_t bytes_total() const override { return lines_.file().size(); }

 protected:
  Result<bool> NextRow(InputRecord* record, bool* /*can_continue*/) override {
    std::string_view line;
    do {
      LEADLINE_ASSIGN_OR_RETURN(const bool more, lines_.Next(&line));
      if (!more) {
        return false;
      }
      if (lines_.line_number() == 1 && line.starts_with("\xef\xbb\xbf")) {
        line.remove_prefix(3);
      }
    } while (line.find_first_not_of(" \t") == std::string_view::npos);
    record->row = lines_.line_number();
    std::optional<RowProblem> problem = ParseJsonRecord(line, record);
    if (!problem && require_id_ && record->id.empty()) {
      problem = RowProblem{"record without an id", "id", "", "a string"};
    }
    if (problem) {
      return RowError(*problem, lines_.file().path(), "line", record->row);
    }
    return true;
  }

 private:
  LineReader lines_;
  const bool require_id_;
};

}  // namespace

Result<std::unique_ptr<RecordReader>> OpenJsonl(FileSystem* fs, const std::string& path,
                                                bool require_id,
                                                const RecordReaderOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(LineReader lines, LineReader::Open(fs, path));
  return std::unique_ptr<RecordReader>(
      std::make_unique<JsonlReader>(std::move(lines), require_id, options));
}

}  // namespace leadline::eval
