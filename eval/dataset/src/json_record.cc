#include "json_record.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <exception>
#include <limits>
#include <unordered_set>

#include <nlohmann/json.hpp>

#include "leadline/core/types.h"
#include "leadline/eval/file_format.h"

namespace leadline::eval {
namespace {

constexpr const char* kOneObject = "one JSON object a line";

using nlohmann::json;

/// Builds a record while the parser walks the line: vectors go straight to floats, payload values
/// are written out again without a tree in between, so memory and depth stay bounded.
class RecordSax final : public nlohmann::json_sax<json> {
 public:
  explicit RecordSax(InputRecord* record) : record_(record) {
    record_->id.clear();
    record_->vector.clear();
    record_->named_vectors.clear();
    record_->payload_json = "{";
    record_->expires_at_ms.reset();
  }

  [[nodiscard]] const std::optional<RowProblem>& problem() const { return problem_; }

  /// Closes the payload after a successful walk.
  void Finish() { record_->payload_json += "}"; }

  bool null() override { return Scalar("null", "null"); }

  bool boolean(bool value) override { return Scalar(value ? "true" : "false", "a boolean"); }

  bool number_integer(number_integer_t value) override {
    if (state_ == State::kExpiry) {
      return Expiry(value, std::to_string(value));
    }
    return Number(static_cast<double>(value), std::to_string(value));
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ == State::kExpiry) {
      const bool fits = value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
      return Expiry(fits ? static_cast<int64_t>(value) : -1, std::to_string(value));
    }
    return Number(static_cast<double>(value), std::to_string(value));
  }

  bool number_float(number_float_t value, const string_t& text) override {
    return Number(value, text);
  }

  bool string(string_t& value) override {
    if (state_ == State::kId) {
      if (value.empty() || value.size() > kMaxIdBytes) {
        return Fail("id length out of range", "id", value,
                    "1 to " + std::to_string(kMaxIdBytes) + " bytes");
      }
      record_->id = value;
      state_ = State::kTop;
      return true;
    }
    scratch_.clear();
    AppendJsonString(value, &scratch_);
    return Scalar(scratch_, "a string");
  }

  bool binary(binary_t& /*value*/) override { return Fail("malformed JSON", "", "binary", ""); }

  bool start_object(size_t /*elements*/) override {
    if (!Enter()) {
      return false;
    }
    switch (state_) {
      case State::kStart:
        state_ = State::kTop;
        return true;
      case State::kPayloadStart:
        state_ = State::kPayload;
        return true;
      case State::kVectorsStart:
        state_ = State::kVectors;
        return true;
      case State::kCapture:
        return Open('{');
      default:
        return WrongType("an object");
    }
  }

  bool end_object() override {
    --depth_;
    switch (state_) {
      case State::kPayload:
      case State::kVectors:
        state_ = State::kTop;
        return true;
      case State::kCapture:
        return Close('}');
      default:
        return true;
    }
  }

  bool start_array(size_t /*elements*/) override {
    if (!Enter()) {
      return false;
    }
    switch (state_) {
      case State::kVectorStart:
        state_ = State::kVector;
        target_ = &record_->vector;
        return true;
      case State::kNamedStart:
        state_ = State::kNamed;
        target_ = &record_->named_vectors.back().second;
        return true;
      case State::kCapture:
        return Open('[');
      default:
        return WrongType("an array");
    }
  }

  bool end_array() override {
    --depth_;
    switch (state_) {
      case State::kVector:
      case State::kNamed:
        if (target_->empty()) {
          return Fail("empty vector", field_, "", "1 to " + std::to_string(kMaxDim) + " numbers");
        }
        state_ = state_ == State::kVector ? State::kTop : State::kVectors;
        return true;
      case State::kCapture:
        return Close(']');
      default:
        return true;
    }
  }

  bool key(string_t& value) override {
    switch (state_) {
      case State::kTop:
        return TopKey(value);
      case State::kPayload:
        return StartMember(value);
      case State::kVectors:
        return VectorKey(value);
      default:
        Separate();
        AppendJsonString(value, &record_->payload_json);
        record_->payload_json += ':';
        after_key_ = true;
        return true;
    }
  }

  bool parse_error(size_t position, const std::string& /*token*/,
                   const json::exception& error) override {
    // 406: a number beyond the range of a double.
    const bool range = error.id == 406;
    return Fail(range ? "number out of range" : "malformed JSON", "",
                "byte " + std::to_string(position), range ? "a double" : kOneObject);
  }

 private:
  enum class State : uint8_t {
    kStart,
    kTop,           // between members of the record
    kId,            // the value of "id"
    kExpiry,        // the value of "expires_at_ms"
    kVectorStart,   // the value of "vector"
    kVector,        // inside it
    kVectorsStart,  // the value of "vectors"
    kVectors,       // between its members
    kNamedStart,    // the value of one of them
    kNamed,         // inside it
    kPayloadStart,  // the value of "payload"
    kPayload,       // between its members
    kCapture,       // inside a value that joins the payload
  };

  bool Fail(std::string what, std::string field, std::string_view value, std::string limit) {
    problem_ = RowProblem{std::move(what), std::move(field), Shorten(value), std::move(limit)};
    return false;
  }

  bool WrongType(std::string_view found) {
    switch (state_) {
      case State::kStart:
        return Fail("a record is not a JSON object", "", found, "an object");
      case State::kId:
        return Fail("wrong type", "id", found, "a string");
      case State::kExpiry:
        return Fail("wrong type", field_, found, "a whole number");
      case State::kVectorStart:
      case State::kNamedStart:
        return Fail("wrong type", field_, found, "an array of numbers");
      case State::kVector:
      case State::kNamed:
        return Fail("wrong type", ElementName(), found, "a number");
      case State::kVectorsStart:
        return Fail("wrong type", "vectors", found, "an object of arrays");
      default:
        return Fail("wrong type", field_, found, "an object");
    }
  }

  [[nodiscard]] std::string ElementName() const {
    return field_ + "[" + std::to_string(target_->size()) + "]";
  }

  bool Enter() {
    if (++depth_ > kMaxJsonDepth) {
      return Fail("JSON nested too deep", field_, std::to_string(depth_),
                  std::to_string(kMaxJsonDepth));
    }
    return true;
  }

  bool TopKey(const std::string& name) {
    field_ = name;
    if (name == "id" || name == "_id") {
      return Once(&has_id_, "id") && To(State::kId);
    }
    if (name == "expires_at_ms") {
      return Once(&has_expiry_, "expires_at_ms") && To(State::kExpiry);
    }
    if (name == "vector") {
      return Once(&has_vector_, "vector") && To(State::kVectorStart);
    }
    if (name == "vectors") {
      return Once(&has_vectors_, "vectors") && To(State::kVectorsStart);
    }
    if (name == "payload") {
      return Once(&has_payload_, "payload") && To(State::kPayloadStart);
    }
    return StartMember(name);
  }

  bool To(State state) {
    state_ = state;
    return true;
  }

  bool Expiry(int64_t value, const std::string& text) {
    if (value < 1) {
      return Fail("time out of range", field_, text, "[1, 2^63) milliseconds since 1970");
    }
    record_->expires_at_ms = value;
    state_ = State::kTop;
    return true;
  }

  bool Once(bool* seen, const char* name) {
    if (*seen) {
      return Fail("field given twice", name, "", "once");
    }
    *seen = true;
    return true;
  }

  bool VectorKey(const std::string& name) {
    field_ = "vectors." + Shorten(name);
    for (const auto& [other, vector] : record_->named_vectors) {
      if (other == name) {
        return Fail("field given twice", field_, "", "once");
      }
    }
    if (record_->named_vectors.size() == kMaxNamedVectors) {
      return Fail("too many named vectors", "vectors",
                  "more than " + std::to_string(kMaxNamedVectors),
                  std::to_string(kMaxNamedVectors));
    }
    record_->named_vectors.emplace_back(name, std::vector<float>());
    state_ = State::kNamedStart;
    return true;
  }

  /// A member of the payload starts, from its object or from the top level.
  bool StartMember(const std::string& name) {
    field_ = Shorten(name);
    if (!members_.insert(name).second) {
      return Fail("field given twice", field_, "", "once, in the payload or beside it");
    }
    if (record_->payload_json.size() > 1) {
      record_->payload_json += ',';
    }
    AppendJsonString(name, &record_->payload_json);
    record_->payload_json += ':';
    resume_ = state_;
    capture_depth_ = depth_;
    after_key_ = true;
    state_ = State::kCapture;
    return true;
  }

  /// Writes the comma before an element where one is due.
  void Separate() {
    if (after_key_) {
      after_key_ = false;
    } else if (first_[depth_]) {
      first_[depth_] = false;
    } else {
      record_->payload_json += ',';
    }
  }

  bool Open(char bracket) {
    --depth_;  // the comma belongs to the level outside
    Separate();
    ++depth_;
    first_[depth_] = true;
    record_->payload_json += bracket;
    return CheckPayload();
  }

  bool Close(char bracket) {
    record_->payload_json += bracket;
    return EndValue();
  }

  bool Number(double value, const std::string& text) {
    if (state_ != State::kVector && state_ != State::kNamed) {
      return Scalar(text, "a number");
    }
    if (target_->size() == kMaxDim) {
      return Fail("vector too long", field_, "more than " + std::to_string(kMaxDim),
                  std::to_string(kMaxDim) + " numbers");
    }
    if (!(std::abs(value) <= std::numeric_limits<float>::max())) {
      return Fail("number out of range", ElementName(), text, "a 32-bit float");
    }
    target_->push_back(static_cast<float>(value));
    return true;
  }

  bool Scalar(std::string_view text, std::string_view type) {
    if (state_ != State::kCapture) {
      return WrongType(type);
    }
    Separate();
    record_->payload_json += text;
    return CheckPayload() && EndValue();
  }

  bool EndValue() {
    if (depth_ == capture_depth_) {
      state_ = resume_;
    }
    return true;
  }

  bool CheckPayload() {
    if (record_->payload_json.size() > kMaxPayloadBytes) {
      return Fail("payload too large", field_, std::to_string(record_->payload_json.size()),
                  std::to_string(kMaxPayloadBytes) + " bytes");
    }
    return true;
  }

  InputRecord* const record_;
  std::vector<float>* target_ = nullptr;
  State state_ = State::kStart;
  State resume_ = State::kTop;
  size_t depth_ = 0;
  size_t capture_depth_ = 0;
  std::array<bool, kMaxJsonDepth + 1> first_{};
  bool after_key_ = false;
  bool has_id_ = false;
  bool has_expiry_ = false;
  bool has_vector_ = false;
  bool has_vectors_ = false;
  bool has_payload_ = false;
  std::unordered_set<std::string> members_;
  std::string field_;
  std::string scratch_;
  std::optional<RowProblem> problem_;
};

}  // namespace

std::optional<RowProblem> ParseJsonRecord(std::string_view line, InputRecord* record) {
  // The parser takes a NUL between tokens for the end of its input.
  if (const size_t nul = line.find('\0'); nul != std::string_view::npos) {
    return RowProblem{"malformed JSON", "", "byte " + std::to_string(nul + 1), kOneObject};
  }
  RecordSax sax(record);
  try {
    if (!json::sax_parse(line.begin(), line.end(), &sax)) {
      return sax.problem() ? sax.problem() : RowProblem{"malformed JSON", "", "", kOneObject};
    }
  } catch (const std::exception& e) {
    return RowProblem{"malformed JSON", "", e.what(), kOneObject};
  }
  sax.Finish();
  return std::nullopt;
}

void AppendJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  for (const char c : text) {
    switch (c) {
      case '"':
        *out += "\\\"";
        break;
      case '\\':
        *out += "\\\\";
        break;
      case '\n':
        *out += "\\n";
        break;
      case '\t':
        *out += "\\t";
        break;
      case '\r':
        *out += "\\r";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char escaped[8];
          std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
          *out += escaped;
        } else {
          out->push_back(c);
        }
    }
  }
  out->push_back('"');
}

bool IsJsonNumber(std::string_view text) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t from = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
      ++at;
    }
    return at - from;
  };
  const auto take = [&](char a, char b) {
    const bool there = at < text.size() && (text[at] == a || text[at] == b);
    at += there ? 1 : 0;
    return there;
  };
  take('-', '-');
  const bool zero = at < text.size() && text[at] == '0';
  const size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) {
    return false;
  }
  if (take('.', '.') && digits() == 0) {
    return false;
  }
  if (take('e', 'E')) {
    take('+', '-');
    if (digits() == 0) {
      return false;
    }
  }
  return at == text.size();
}

}  // namespace leadline::eval
