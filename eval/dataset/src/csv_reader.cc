#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <unordered_set>

#include "input_file.h"
#include "json_record.h"
#include "jsonl_reader.h"
#include "leadline/core/types.h"
#include "leadline/core/utf8_check.h"

namespace leadline::eval {
namespace {

constexpr size_t kMaxColumns = 4096;

struct Cell {
  std::string text;
  bool quoted = false;
};

/// Splits one complete record, in which each quoted cell has its closing quote.
std::optional<RowProblem> SplitCells(std::string_view record, std::vector<Cell>* cells) {
  cells->clear();
  size_t at = 0;
  while (true) {
    Cell cell;
    if (at < record.size() && record[at] == '"') {
      cell.quoted = true;
      for (++at;; ++at) {
        if (record[at] != '"') {
          cell.text += record[at];
        } else if (at + 1 < record.size() && record[at + 1] == '"') {
          cell.text += record[++at];
        } else {
          break;
        }
      }
      ++at;
      if (at < record.size() && record[at] != ',') {
        return RowProblem{"text after a closing quote",
                          "column " + std::to_string(cells->size() + 1),
                          std::string(record.substr(at, 16)), "a comma"};
      }
    } else {
      const size_t comma = std::min(record.find(',', at), record.size());
      cell.text = record.substr(at, comma - at);
      if (cell.text.find('"') != std::string::npos) {
        return RowProblem{"quote inside an unquoted cell",
                          "column " + std::to_string(cells->size() + 1), cell.text, ""};
      }
      if (cell.text.find('\r') != std::string::npos) {
        return RowProblem{"carriage return inside an unquoted cell",
                          "column " + std::to_string(cells->size() + 1), cell.text,
                          "lines that end in LF or CR LF"};
      }
      at = comma;
    }
    cells->push_back(std::move(cell));
    if (at >= record.size()) {
      return std::nullopt;
    }
    if (cells->size() == kMaxColumns) {
      return RowProblem{"too many columns", "", "", std::to_string(kMaxColumns)};
    }
    ++at;  // the comma
  }
}

/// Reads numbers separated by commas, semicolons or blanks, in brackets or not.
std::optional<RowProblem> ParseVectorCell(std::string_view text, std::vector<float>* vector) {
  vector->clear();
  const size_t open = text.find_first_not_of(" \t");
  if (open != std::string_view::npos && text[open] == '[') {
    const size_t close = text.find_last_not_of(" \t");
    if (text[close] != ']') {
      return RowProblem{"bracket not closed", "vector", std::string(text.substr(0, 16)), "]"};
    }
    text = text.substr(open + 1, close - open - 1);
  }
  constexpr std::string_view kSeparators = ",; \t\r\n";
  size_t at = 0;
  while ((at = text.find_first_not_of(kSeparators, at)) != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    const std::string_view token = text.substr(at, end - at);
    const std::string element = "vector[" + std::to_string(vector->size()) + "]";
    double value = 0;
    const auto [stop, error] = std::from_chars(token.data(), token.data() + token.size(), value);
    if (error == std::errc::invalid_argument || stop != token.data() + token.size()) {
      return RowProblem{"not a number", element, std::string(token), "a number"};
    }
    if (error != std::errc() || !(std::abs(value) <= std::numeric_limits<float>::max())) {
      return RowProblem{"number out of range", element, std::string(token), "a 32-bit float"};
    }
    if (vector->size() == kMaxDim) {
      return RowProblem{"vector too long", "vector", "", std::to_string(kMaxDim) + " numbers"};
    }
    vector->push_back(static_cast<float>(value));
    at = end;
  }
  if (vector->empty()) {
    return RowProblem{"empty vector", "vector", "", "1 to " + std::to_string(kMaxDim) + " numbers"};
  }
  return std::nullopt;
}

/// Collects lines until no quoted cell is open. Line ends inside quotes are kept.
class CsvLines {
 public:
  explicit CsvLines(LineReader lines) : lines_(std::move(lines)) {}

  /// False at the end. Blank lines are skipped. After kInvalidArgument `end_is_certain` tells
  /// whether it concerns this record only.
  Result<bool> Next(std::string* record) {
    record->clear();
    open_ = false;
    end_is_certain_ = false;
    while (true) {
      const std::string_view line_end = lines_.line_end();
      std::string_view line;
      LEADLINE_ASSIGN_OR_RETURN(const bool more, lines_.Next(&line));
      if (!more) {
        return open_ ? NotClosed("the end") : Result<bool>(false);
      }
      if (lines_.line_number() == 1 && line.starts_with("\xef\xbb\xbf")) {
        line.remove_prefix(3);
      }
      if (!open_) {
        if (line.empty()) {
          continue;
        }
        start_ = lines_.line_number();
      } else {
        *record += line_end;
      }
      if (record->size() + line.size() > kMaxLineBytes) {
        return NotClosed(std::to_string(kMaxLineBytes) + " bytes");
      }
      FollowQuotes(line);
      *record += line;
      if (!open_) {
        break;
      }
    }
    end_is_certain_ = start_ == lines_.line_number();
    if (!IsValidUtf8(*record)) {
      return Problem({"not UTF-8", "", "", "UTF-8"});
    }
    return true;
  }

  [[nodiscard]] Status Problem(const RowProblem& problem) const {
    return RowError(problem, lines_.file().path(), "line", start_);
  }

  /// Line on which the last record starts.
  [[nodiscard]] uint64_t line_number() const { return start_; }

  /// False if the last record, should its cells be wrong, may hold rows that a stray quote took in:
  /// it has several lines, or its end was not found.
  [[nodiscard]] bool end_is_certain() const { return end_is_certain_; }

  [[nodiscard]] const InputFile& file() const { return lines_.file(); }

 private:
  /// Only a quote that starts a cell opens it; SplitCells refuses others.
  void FollowQuotes(std::string_view line) {
    size_t at = 0;
    while (true) {
      if (!open_ && line.substr(at).starts_with('"')) {
        open_ = true;
        quote_line_ = lines_.line_number();
        ++at;
      }
      while (open_) {
        at = line.find('"', at);
        if (at == std::string_view::npos) {
          return;
        }
        open_ = line.substr(++at).starts_with('"');
        at += open_ ? 1 : 0;
      }
      at = line.find(',', at);
      if (at == std::string_view::npos) {
        return;
      }
      ++at;
    }
  }

  [[nodiscard]] Status NotClosed(const std::string& before) const {
    return RowError({"quote not closed", "", "", "a closing quote before " + before},
                    lines_.file().path(), "line", quote_line_);
  }

  LineReader lines_;
  bool open_ = false;
  bool end_is_certain_ = false;
  uint64_t quote_line_ = 1;  // where the last quoted cell starts
  uint64_t start_ = 1;
};

class CsvReader final : public RecordReader {
 public:
  CsvReader(CsvLines lines, const RecordReaderOptions& options)
      : RecordReader(options.on_error), lines_(std::move(lines)), next_id_(options.id_offset) {}

  Status ReadHeader() {
    LEADLINE_ASSIGN_OR_RETURN(const bool more, lines_.Next(&text_));
    if (!more) {
      return lines_.Problem({"header row missing", "", "", "a row of column names"});
    }
    if (const auto problem = SplitCells(text_, &cells_)) {
      return lines_.Problem(*problem);
    }
    if (cells_.size() == 1 && cells_[0].text.find_first_of(";\t") != std::string::npos) {
      return lines_.Problem(
          {"header row has one column", "column 1", cells_[0].text, "columns separated by commas"});
    }
    std::unordered_set<std::string> seen;
    for (size_t c = 0; c < cells_.size(); ++c) {
      const std::string& name = cells_[c].text;
      const bool is_id = name == "id" || name == "_id";
      if (name.empty() || !seen.insert(is_id ? "id" : name).second) {
        return lines_.Problem({name.empty() ? "column without a name" : "column given twice",
                               "column " + std::to_string(c + 1), name, ""});
      }
      if (is_id) {
        id_column_ = c;
      } else if (name == "vector") {
        vector_column_ = c;
      }
      names_.push_back(name);
    }
    return {};
  }

  [[nodiscard]] const std::string& path() const override { return lines_.file().path(); }

  [[nodiscard]] std::string_view row_unit() const override { return "line"; }

  [[nodiscard]] uint64_t bytes_read() const override { return lines_.file().position(); }

  [[nodiscard]] uint64_t bytes_total() const override { return lines_.file().size(); }

 protected:
  Result<bool> NextRow(InputRecord* record, bool* can_continue) override {
    const uint64_t row_id = next_id_;
    Result<bool> more = NextText();
    *can_continue = lines_.end_is_certain();
    if (!more.ok() || !*more) {
      return more;
    }
    record->row = lines_.line_number();
    std::optional<RowProblem> problem = SplitCells(text_, &cells_);
    if (!problem && cells_.size() != names_.size()) {
      problem = RowProblem{"wrong number of columns", "", std::to_string(cells_.size()),
                           std::to_string(names_.size())};
    }
    if (!problem) {
      *can_continue = true;
      problem = Fill(row_id, record);
    }
    if (problem) {
      return lines_.Problem(*problem);
    }
    return true;
  }

 private:
  /// Counts the row even where reading it fails, so that later row numbers stay right.
  Result<bool> NextText() {
    Result<bool> more = lines_.Next(&text_);
    next_id_ += !more.ok() || *more ? 1 : 0;
    return more;
  }

  std::optional<RowProblem> Fill(uint64_t row_id, InputRecord* record) {
    record->vector.clear();
    record->named_vectors.clear();
    record->expires_at_ms.reset();
    record->payload_json = "{";
    record->id = id_column_ ? cells_[*id_column_].text : std::to_string(row_id);
    if (record->id.empty() || record->id.size() > kMaxIdBytes) {
      return RowProblem{"id length out of range", "id", record->id,
                        "1 to " + std::to_string(kMaxIdBytes) + " bytes"};
    }
    for (size_t c = 0; c < names_.size(); ++c) {
      if (c == id_column_) {
        continue;
      }
      if (c == vector_column_) {
        if (auto problem = ParseVectorCell(cells_[c].text, &record->vector)) {
          return problem;
        }
        continue;
      }
      AppendMember(names_[c], cells_[c], &record->payload_json);
    }
    record->payload_json += "}";
    if (record->payload_json.size() > kMaxPayloadBytes) {
      return RowProblem{"payload too large", "", std::to_string(record->payload_json.size()),
                        std::to_string(kMaxPayloadBytes) + " bytes"};
    }
    return std::nullopt;
  }

  /// Tells whether a cell stands for itself in JSON. A number beyond a double's range is none
  /// there, and may well be a code such as 71e8432.
  static bool IsLiteral(const Cell& cell) {
    if (cell.quoted) {
      return false;
    }
    const std::string_view text = cell.text;
    double value = 0;
    return text == "true" || text == "false" ||
           (IsJsonNumber(text) &&
            std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc());
  }

  static void AppendMember(const std::string& name, const Cell& cell, std::string* payload) {
    if (cell.text.empty() && !cell.quoted) {
      return;
    }
    if (payload->size() > 1) {
      *payload += ',';
    }
    AppendJsonString(name, payload);
    *payload += ':';
    if (IsLiteral(cell)) {
      *payload += cell.text;
    } else {
      AppendJsonString(cell.text, payload);
    }
  }

  CsvLines lines_;
  uint64_t next_id_;
  std::vector<std::string> names_;
  std::optional<size_t> id_column_;
  std::optional<size_t> vector_column_;
  std::string text_;
  std::vector<Cell> cells_;
};

}  // namespace

Result<std::unique_ptr<RecordReader>> OpenCsv(FileSystem* fs, const std::string& path,
                                              const RecordReaderOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(LineReader lines, LineReader::Open(fs, path));
  auto reader = std::make_unique<CsvReader>(CsvLines(std::move(lines)), options);
  LEADLINE_RETURN_IF_ERROR(reader->ReadHeader());
  return std::unique_ptr<RecordReader>(std::move(reader));
}

}  // namespace leadline::eval
