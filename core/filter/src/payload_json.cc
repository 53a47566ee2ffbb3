#include "leadline/core/payload_json.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "leadline/core/exact_number.h"
#include "leadline/core/filter_tree.h"
#include "leadline/core/types.h"

namespace leadline {
namespace {

using nlohmann::json;

Status PayloadError(std::string_view what) {
  return InvalidArgumentError(std::string(what)).WithField("payload");
}

Status SyntaxError(size_t byte) {
  return PayloadError("payload is not valid JSON in UTF-8: byte=" + std::to_string(byte));
}

/// Checks a payload while it is parsed; keeps the first violation.
class Validator {
 public:
  // Names and signatures are those of nlohmann::json_sax.
  bool null() { return InObject(); }

  bool boolean(bool /*value*/) { return InObject(); }

  bool number_integer(json::number_integer_t /*value*/) { return InObject(); }

  bool number_unsigned(json::number_unsigned_t /*value*/) { return InObject(); }

  bool number_float(json::number_float_t /*value*/, const std::string& /*text*/) {
    return InObject();
  }

  bool string(std::string& /*value*/) { return InObject(); }

  bool binary(json::binary_t& /*value*/) { return false; }

  bool key(std::string& value) {
    keys_.back().push_back(std::move(value));
    return true;
  }

  bool start_object(size_t /*elements*/) { return Open(); }

  bool end_object() {
    std::vector<std::string>& keys = keys_.back();
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end()) {
      status_ = PayloadError("payload has a key twice in one object: key=" + twice->substr(0, 80));
      return false;
    }
    keys_.pop_back();
    return true;
  }

  bool start_array(size_t /*elements*/) { return InObject() && Open(); }

  bool end_array() {
    keys_.pop_back();
    return true;
  }

  bool parse_error(size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) {
    constexpr int kNumberOverflow = 406;
    status_ = error.id == kNumberOverflow
                  ? PayloadError("payload has a number beyond the range of a double: byte=" +
                                 std::to_string(position))
                  : SyntaxError(position);
    return false;
  }

  [[nodiscard]] const Status& status() const { return status_; }

 private:
  bool InObject() {
    if (keys_.empty()) {
      status_ = PayloadError("payload is not a JSON object");
      return false;
    }
    return true;
  }

  bool Open() {
    if (keys_.size() == kMaxPayloadDepth) {
      status_ =
          InvalidFieldError("payload nested too deeply", "payload depth",
                            std::to_string(keys_.size() + 1), std::to_string(kMaxPayloadDepth));
      return false;
    }
    keys_.emplace_back();
    return true;
  }

  std::vector<std::vector<std::string>> keys_;  ///< of each open container; none for arrays
  Status status_;
};

/// The document of a valid payload; an empty text is `{}`. Its depth is bounded, so nlohmann's
/// recursive functions are safe on it.
Result<json> ParsePayload(std::string_view text) {
  if (text.empty()) {
    return json(json::object());
  }
  LEADLINE_RETURN_IF_ERROR(ValidatePayload(text));
  return json::parse(text.begin(), text.end(), nullptr, false);
}

/// Wanted paths as a tree; a place that is `whole` keeps everything below it.
struct Selection {
  bool whole = false;
  std::map<std::string, Selection, std::less<>> children;
};

std::optional<json> Project(const json& value, const Selection& selection);

/// Selected members of an object. Recursion is bounded by kMaxFilterPathKeys.
std::optional<json> ProjectObject(const json& object, const Selection& selection) {
  json kept = json::object();
  for (const auto& [key, below] : selection.children) {
    const auto member = object.find(key);
    if (member == object.end()) {
      continue;
    }
    if (std::optional<json> part = Project(*member, below)) {
      kept[key] = std::move(*part);
    }
  }
  return kept.empty() ? std::nullopt : std::optional<json>(std::move(kept));
}

std::optional<json> Project(const json& value, const Selection& selection) {
  if (selection.whole) {
    return value;
  }
  if (value.is_object()) {
    return ProjectObject(value, selection);
  }
  json kept = json::array();
  if (value.is_array()) {
    for (const json& element : value) {
      std::optional<json> part;
      if (element.is_object()) {
        part = ProjectObject(element, selection);
      }
      if (part.has_value()) {
        kept.push_back(std::move(*part));
      }
    }
  }
  return kept.empty() ? std::nullopt : std::optional<json>(std::move(kept));
}

std::string ScalarKey(const json& value) {
  switch (value.type()) {
    case json::value_t::number_integer:
      return ExactNumber::FromInt(value.get<int64_t>()).ToString();
    case json::value_t::number_unsigned:
      return ExactNumber::FromUnsigned(value.get<uint64_t>()).ToString();
    case json::value_t::number_float:
      return ExactNumber::FromDouble(value.get<double>()).ToString();
    case json::value_t::boolean:
    case json::value_t::string:
      return value.dump();
    default:
      return {};
  }
}

}  // namespace

Status ValidatePayload(std::string_view text) {
  if (text.size() > kMaxPayloadBytes) {
    return InvalidFieldError("payload too large", "payload bytes", std::to_string(text.size()),
                             std::to_string(kMaxPayloadBytes));
  }
  // The parser takes a NUL between tokens for the end of its input.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return SyntaxError(nul + 1);
  }
  Validator validator;
  if (!json::sax_parse(text.begin(), text.end(), &validator)) {
    return validator.status();
  }
  return {};
}

Result<std::string> MergePatch(std::string_view base, std::string_view patch) {
  LEADLINE_ASSIGN_OR_RETURN(json document, ParsePayload(base));
  Result<json> change = ParsePayload(patch);
  if (!change.ok()) {
    return change.status().WithContext("patch");
  }
  document.merge_patch(*change);
  std::string merged = document.dump();
  if (merged.size() > kMaxPayloadBytes) {
    return InvalidFieldError("payload too large after the patch", "payload bytes",
                             std::to_string(merged.size()), std::to_string(kMaxPayloadBytes));
  }
  return merged;
}

Result<std::string> SelectFields(std::string_view text, std::span<const std::string> paths) {
  Selection selection;
  for (const std::string& path : paths) {
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::string> keys, ParseFilterPath(path));
    Selection* at = &selection;
    for (const std::string& key : keys) {
      at = &at->children[key];
    }
    at->whole = true;
  }
  LEADLINE_ASSIGN_OR_RETURN(const json document, ParsePayload(text));
  return ProjectObject(document, selection).value_or(json::object()).dump();
}

Result<std::string> GroupKey(std::string_view text, std::span<const std::string> keys) {
  LEADLINE_ASSIGN_OR_RETURN(const json document, ParsePayload(text));
  const json* at = &document;
  for (const std::string& key : keys) {
    if (!at->is_object()) {
      return std::string();
    }
    const auto member = at->find(key);
    if (member == at->end()) {
      return std::string();
    }
    at = &*member;
  }
  return ScalarKey(*at);
}

}  // namespace leadline
