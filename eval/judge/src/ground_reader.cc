#include "leadline/eval/ground_reader.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace leadline {
namespace {

using Json = nlohmann::json;

constexpr size_t kChunkBytes = size_t{1} << 20;

Status WrongType(std::string_view field, std::string_view found, std::string_view wanted) {
  return InvalidFieldError("field of the wrong type", field, found, wanted);
}

Result<std::string> StringField(const Json& object, const char* name, bool required) {
  const auto found = object.find(name);
  if (found == object.end() || (found->is_null() && !required)) {
    return required ? Result<std::string>(InvalidFieldError("missing field", name, "", "string"))
                    : Result<std::string>(std::string());
  }
  if (!found->is_string()) {
    return WrongType(name, found->type_name(), "string");
  }
  return found->get<std::string>();
}

Result<std::string> IdField(const Json& object) {
  constexpr std::string_view kWanted = "string or integer";
  const auto found = object.find("id");
  if (found == object.end()) {
    return InvalidFieldError("missing field", "id", "", kWanted);
  }
  if (found->is_number_integer()) {
    return found->dump();
  }
  return found->is_string() ? Result<std::string>(found->get<std::string>())
                            : WrongType("id", found->type_name(), kWanted);
}

Result<std::vector<std::string>> ContextsField(const Json& object) {
  const auto found = object.find("contexts");
  if (found == object.end()) {
    return InvalidFieldError("missing field", "contexts", "", "array of strings");
  }
  if (!found->is_array()) {
    return WrongType("contexts", found->type_name(), "array of strings");
  }
  if (found->size() > kMaxGroundContexts) {
    return InvalidFieldError("groundedness input is too large", "contexts",
                             std::to_string(found->size()), std::to_string(kMaxGroundContexts));
  }
  std::vector<std::string> contexts;
  for (const Json& context : *found) {
    if (!context.is_string()) {
      return WrongType("contexts", context.type_name(), "array of strings");
    }
    contexts.push_back(context.get<std::string>());
  }
  return contexts;
}

Result<std::optional<bool>> LabelField(const Json& object) {
  const auto found = object.find("label");
  if (found == object.end() || found->is_null()) {
    return std::optional<bool>();
  }
  if (found->is_boolean()) {
    return std::optional<bool>(found->get<bool>());
  }
  if (found->is_number()) {
    const double label = found->get<double>();
    if (label == 0 || label == 1) {
      return std::optional<bool>(label == 1);
    }
  }
  return InvalidFieldError("not a label", "label",
                           found->is_number() ? found->dump() : found->type_name(), "0 or 1");
}

/// Keeps what a record needs while a line is parsed, so that a hostile line costs no more memory
/// than its bytes: values of unknown fields and anything nested deeper than a context are dropped.
class RecordFilter {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth == 1 && event == Event::key) {
      field_ = parsed.get<std::string>();
      const auto field = std::find(kFields.begin(), kFields.end(), field_);
      known_ = field != kFields.end();
      if (known_ && std::exchange(seen_[static_cast<size_t>(field - kFields.begin())], true)) {
        repeated_ = field_;
      }
      return known_;
    }
    if (depth >= 1 && !known_) {
      return false;
    }
    if (depth >= 2 && (event == Event::array_start || event == Event::object_start)) {
      nested_ = nested_ || field_ == "contexts";
      return false;
    }
    if (depth >= 2 && event == Event::value) {
      return ++elements_ <= kMaxGroundContexts + 1;
    }
    return true;
  }

  [[nodiscard]] bool nested() const { return nested_; }

  /// A field of a record that is there twice; empty if none is.
  [[nodiscard]] const std::string& repeated() const { return repeated_; }

 private:
  static constexpr std::array<std::string_view, 5> kFields = {"id", "response", "contexts",
                                                              "question", "label"};

  std::string field_;
  std::string repeated_;
  std::array<bool, kFields.size()> seen_{};
  bool known_ = false;
  size_t elements_ = 0;  // values inside arrays of the record
  bool nested_ = false;
};

Result<GroundRecord> ParseRecord(std::string_view line) {
  // The parser takes a NUL between tokens for the end of its input.
  if (line.find('\0') != std::string_view::npos) {
    return InvalidArgumentError("line is not valid JSON in UTF-8");
  }
  RecordFilter filter;
  const Json object = Json::parse(line, std::ref(filter), false);
  if (object.is_discarded()) {
    return InvalidArgumentError("line is not valid JSON in UTF-8");
  }
  if (!object.is_object()) {
    return InvalidArgumentError(std::string("line is not a JSON object: ") + object.type_name());
  }
  if (!filter.repeated().empty()) {
    return InvalidFieldError("field given twice", filter.repeated(), "", "once");
  }
  if (filter.nested()) {
    return WrongType("contexts", "nested array or object", "array of strings");
  }
  GroundRecord record;
  LEADLINE_ASSIGN_OR_RETURN(record.input.id, IdField(object));
  LEADLINE_ASSIGN_OR_RETURN(record.input.response, StringField(object, "response", true));
  LEADLINE_ASSIGN_OR_RETURN(record.input.contexts, ContextsField(object));
  LEADLINE_ASSIGN_OR_RETURN(record.input.question, StringField(object, "question", false));
  LEADLINE_ASSIGN_OR_RETURN(record.grounded, LabelField(object));
  return record;
}

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

struct GroundReader::State {
  std::string path;
  std::unique_ptr<SequentialFile> file;
  std::vector<char> scratch = std::vector<char>(kChunkBytes);
  std::string buffer;  // read, not yet returned
  size_t begin = 0;    // of the unread part of the buffer
  size_t line = 0;
  bool at_end = false;                            // of the file
  uint64_t file_bytes = 0;                        // when opened
  uint64_t taken_bytes = 0;                       // of the file into the buffer
  std::unordered_map<std::string, size_t> lines;  // by id

  /// Refuses an id that a line before had. Ids over their cap are the judge's to refuse.
  Status Remember(const std::string& id) {
    if (id.size() > kMaxGroundIdBytes) {
      return OkStatus();
    }
    const auto [first, added] = lines.try_emplace(id, line);
    return added ? OkStatus()
                 : InvalidFieldError("response given twice", "id", id,
                                     "once, first on line " + std::to_string(first->second));
  }

  /// Next line without its end, valid until the next call; nothing at the end.
  Result<std::optional<std::string_view>> NextLine() {
    size_t searched = begin;
    for (;;) {
      const size_t newline = buffer.find('\n', searched);
      if (newline != std::string::npos) {
        const std::string_view found = std::string_view(buffer).substr(begin, newline - begin);
        begin = newline + 1;
        ++line;
        return std::optional(found);
      }
      if (at_end) {
        const std::string_view rest = std::string_view(buffer).substr(begin);
        begin = buffer.size();
        line += rest.empty() ? 0 : 1;
        return rest.empty() ? std::nullopt : std::optional(rest);
      }
      if (buffer.size() - begin > kMaxGroundLineBytes) {
        at_end = true;
        buffer.clear();
        begin = 0;
        ++line;
        return InvalidFieldError("line is too long", "line", std::to_string(line),
                                 std::to_string(kMaxGroundLineBytes) + " bytes");
      }
      buffer.erase(0, begin);
      begin = 0;
      searched = buffer.size();
      LEADLINE_ASSIGN_OR_RETURN(const std::string_view more,
                                file->Read(scratch.size(), scratch.data()));
      at_end = more.empty();
      taken_bytes += more.size();
      buffer.append(more);
    }
  }
};

GroundReader::GroundReader(std::unique_ptr<State> state) : state_(std::move(state)) {}

GroundReader::~GroundReader() = default;

Result<std::unique_ptr<GroundReader>> GroundReader::Open(FileSystem* fs, const std::string& path) {
  LEADLINE_ASSIGN_OR_RETURN(const bool folder, fs->IsDirectory(path));
  if (folder) {
    return InvalidFieldError("responses are read from a file", "path", path, "a JSONL file");
  }
  auto state = std::make_unique<State>();
  state->path = path;
  LEADLINE_ASSIGN_OR_RETURN(state->file, fs->NewSequentialFile(path));
  const Result<uint64_t> bytes = fs->FileSize(path);
  state->file_bytes = bytes.ok() ? *bytes : 0;
  return std::unique_ptr<GroundReader>(new GroundReader(std::move(state)));
}

Result<std::optional<GroundRecord>> GroundReader::Next() {
  const auto where = [this] { return state_->path + ":" + std::to_string(state_->line); };
  for (;;) {
    auto line = state_->NextLine();
    if (!line.ok()) {
      Status error = std::move(line).status();
      if (error.code() == StatusCode::kInvalidArgument) {
        error.WithContext(where());
      }
      return error;
    }
    if (!line->has_value()) {
      return std::optional<GroundRecord>();
    }
    if (IsBlank(**line)) {
      continue;
    }
    Result<GroundRecord> record = ParseRecord(**line);
    Status error = record.ok() ? state_->Remember(record->input.id) : record.status();
    if (!error.ok()) {
      error.WithContext(where());
      return error;
    }
    record->line = state_->line;
    return std::optional(std::move(*record));
  }
}

size_t GroundReader::line() const {
  return state_->line;
}

uint64_t GroundReader::bytes_read() const {
  return state_->taken_bytes - (state_->buffer.size() - state_->begin);
}

uint64_t GroundReader::bytes_total() const {
  return state_->file_bytes;
}

}  // namespace leadline
