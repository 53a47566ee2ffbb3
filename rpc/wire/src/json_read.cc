#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "leadline/core/types.h"
#include "leadline/rpc/json_wire.h"
#include "leadline/v1/options.pb.h"

namespace leadline::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Json = nlohmann::json;

constexpr double kMaxWholeDouble = 9007199254740992.0;  // 2^53
constexpr size_t kShownBytes = 64;

/// Builds the text of one value from the events of its parsing, byte for byte where that matters:
/// numbers keep their digits.
class RawText {
 public:
  void Open(char bracket) {
    Separate();
    text_ += bracket;
    ++depth_;
  }

  void Close(char bracket) {
    text_ += bracket;
    --depth_;
  }

  void Key(const std::string& name) {
    Separate();
    text_.append(Json(name).dump()).append(1, ':');
  }

  void Value(const std::string& value) {
    Separate();
    text_ += value;
  }

  [[nodiscard]] size_t depth() const { return depth_; }

  [[nodiscard]] std::string Take() { return std::exchange(text_, {}); }

 private:
  void Separate() {
    if (!text_.empty() && text_.back() != '{' && text_.back() != '[' && text_.back() != ':') {
      text_ += ',';
    }
  }

  std::string text_;
  size_t depth_ = 0;
};

/// Where the next value of the text goes.
struct Place {
  Message* message = nullptr;
  const FieldDescriptor* field = nullptr;
};

/// An object or a list that is being read.
struct Frame {
  enum class Kind { kObject, kList, kMap };

  Kind kind = Kind::kObject;
  Message* message = nullptr;              // the object, or the owner of the field
  const FieldDescriptor* field = nullptr;  // of kList and kMap
  std::vector<const FieldDescriptor*> seen = {};
  std::vector<std::string> keys = {};  // of kMap
  Place next = {};                     // after a key
  std::string name = {};               // in the path of an error
  int items = 0;
};

bool IsShown(const FieldDescriptor& field) {
  return !field.options().GetExtension(v1::bounds).grpc_only();
}

/// The field called `name` in the HTTP form of `message`; no field where there is none.
Place Find(Message* message, const std::string& name) {
  const Descriptor* type = message->GetDescriptor();
  if (const FieldDescriptor* field = type->FindFieldByName(name)) {
    const bool hidden = !IsShown(*field) || field->options().GetExtension(v1::bounds).inlined();
    return hidden ? Place{} : Place{message, field};
  }
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (field->options().GetExtension(v1::bounds).inlined() &&
        field->message_type()->FindFieldByName(name) != nullptr) {
      return Find(message->GetReflection()->MutableMessage(message, field), name);
    }
  }
  return {};
}

std::string WordsOf(const google::protobuf::EnumDescriptor& type) {
  std::string words;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0) {
      words += (words.empty() ? "" : ", ") + EnumWord(*type.value(i));
    }
  }
  return words;
}

/// Receives the events of nlohmann's parser (its SAX interface, hence the names) and fills the
/// message. A handler that returns false ends the parsing; `status` then says why.
class MessageBuilder {
 public:
  explicit MessageBuilder(Message* root) : root_(root) {}

  Status& status() { return status_; }

  // NOLINTBEGIN(readability-identifier-naming): the library's names
  bool null() { return raw_ ? RawValue("null") : Null(); }

  bool boolean(bool value) { return raw_ ? RawValue(value ? "true" : "false") : Boolean(value); }

  bool number_integer(int64_t value) {
    return raw_ ? RawValue(std::to_string(value))
                : Integer(value < 0, static_cast<uint64_t>(value));
  }

  bool number_unsigned(uint64_t value) {
    return raw_ ? RawValue(std::to_string(value)) : Integer(false, value);
  }

  bool number_float(double value, const std::string& digits) {
    return raw_ ? RawValue(digits) : Real(value, digits);
  }

  bool string(std::string& value) { return raw_ ? RawValue(Json(value).dump()) : Text(value); }

  bool binary(Json::binary_t& /*value*/) { return false; }

  bool start_object(size_t /*size*/) { return raw_ ? RawOpen('{') : OpenObject(); }

  bool key(std::string& name) {
    if (raw_) {
      raw_->Key(name);
      return true;
    }
    return Key(name);
  }

  bool end_object() { return raw_ ? RawClose('}') : Close(); }

  bool start_array(size_t /*size*/) { return raw_ ? RawOpen('[') : OpenList(); }

  bool end_array() { return raw_ ? RawClose(']') : Close(); }

  bool parse_error(size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) {
    status_ = InvalidFieldError("the body is not JSON: " + Reason(error.what()), "body",
                                "at byte " + std::to_string(position), "a JSON object");
    return false;
  }

  // NOLINTEND(readability-identifier-naming)

 private:
  static std::string Reason(std::string_view what) {
    const size_t colon = what.rfind(": ");
    return std::string(what.substr(colon == std::string_view::npos ? 0 : colon + 2, 100));
  }

  [[nodiscard]] std::string Path() const {
    std::string path;
    for (const Frame& frame : frames_) {
      switch (frame.kind) {
        case Frame::Kind::kObject:
        case Frame::Kind::kMap:
          path += (path.empty() || frame.name.empty() ? "" : ".") + frame.name;
          break;
        case Frame::Kind::kList:
          path += "[" + std::to_string(frame.items) + "]";
      }
    }
    return path.empty() ? "body" : path;
  }

  bool Fail(std::string_view what, std::string_view value, std::string_view limit) {
    status_ = InvalidFieldError(what, Path(), value.substr(0, kShownBytes), limit);
    return false;
  }

  bool WrongType(std::string_view given) {
    const Place place = Next();
    return Fail("wrong type", given, place.field == nullptr ? "an object" : Wanted(*place.field));
  }

  /// What a value of `field`, or of one item of it, looks like.
  static std::string Wanted(const FieldDescriptor& field) {
    if (field.options().GetExtension(v1::bounds).json()) {
      return "an object";
    }
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return !field.is_map() && BareField(*field.message_type()) != nullptr ? "a list"
                                                                              : "an object";
      case FieldDescriptor::CPPTYPE_STRING:
        return "a string";
      case FieldDescriptor::CPPTYPE_ENUM:
        return WordsOf(*field.enum_type());
      case FieldDescriptor::CPPTYPE_BOOL:
        return "true or false";
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return "a number";
      default:
        return "a whole number";
    }
  }

  /// The field that the value read now belongs to; none for the text as a whole.
  [[nodiscard]] Place Next() const {
    if (frames_.empty()) {
      return {};
    }
    const Frame& frame = frames_.back();
    return frame.kind == Frame::Kind::kObject ? frame.next : Place{frame.message, frame.field};
  }

  /// The place for a single value: in a list, or of a field that is none. None sets the error.
  std::optional<Place> SinglePlace(std::string_view given) {
    const Place place = Next();
    const bool in_list = !frames_.empty() && frames_.back().kind == Frame::Kind::kList;
    const bool in_map = !frames_.empty() && frames_.back().kind == Frame::Kind::kMap;
    if (place.field == nullptr || in_map) {
      WrongType(given);
      return std::nullopt;
    }
    if (place.field->is_repeated() && !in_list) {
      Fail("wrong type", given, place.field->is_map() ? "an object" : "a list");
      return std::nullopt;
    }
    return place;
  }

  /// After one item of a list.
  bool Added() {
    if (!frames_.empty() && frames_.back().kind == Frame::Kind::kList) {
      ++frames_.back().items;
    }
    return true;
  }

  /// Absent, but in lists.
  bool Null() {
    const bool absent = !frames_.empty() && frames_.back().kind == Frame::Kind::kObject;
    return absent || WrongType("null");
  }

  bool Boolean(bool value) {
    const auto place = SinglePlace("a truth value");
    if (!place) {
      return false;
    }
    if (place->field->cpp_type() != FieldDescriptor::CPPTYPE_BOOL) {
      return WrongType("a truth value");
    }
    place->message->GetReflection()->SetBool(place->message, place->field, value);
    return true;
  }

  bool Text(const std::string& value) {
    const auto place = SinglePlace("a string");
    if (!place) {
      return false;
    }
    const FieldDescriptor* field = place->field;
    const auto& reflection = *place->message->GetReflection();
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      return Word(*place, value);
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_STRING ||
        field->options().GetExtension(v1::bounds).json()) {
      return WrongType("a string");
    }
    if (field->is_repeated()) {
      reflection.AddString(place->message, field, value);
    } else {
      reflection.SetString(place->message, field, value);
    }
    return Added();
  }

  bool Word(const Place& place, const std::string& word) {
    const auto& type = *place.field->enum_type();
    for (int i = 0; i < type.value_count(); ++i) {
      if (type.value(i)->number() != 0 && EnumWord(*type.value(i)) == word) {
        place.message->GetReflection()->SetEnum(place.message, place.field, type.value(i));
        return true;
      }
    }
    return Fail("unknown value", word, WordsOf(type));
  }

  bool Real(double value, const std::string& digits) {
    const auto place = SinglePlace("a number");
    if (!place) {
      return false;
    }
    switch (place->field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_FLOAT:
        return Float(*place, value);
      case FieldDescriptor::CPPTYPE_DOUBLE:
        place->message->GetReflection()->SetDouble(place->message, place->field, value);
        return true;
      default:
        if (std::floor(value) == value && std::fabs(value) < kMaxWholeDouble) {
          return Integer(value < 0, static_cast<uint64_t>(static_cast<int64_t>(value)));
        }
        return WrongType(digits);
    }
  }

  /// Bounds are checked here, as they are lost with the digits that a float cannot hold.
  bool Float(const Place& place, double value) {
    const v1::FieldRule& rule = place.field->options().GetExtension(v1::bounds);
    if (rule.has_min() && (value < rule.min() || value > rule.max())) {
      return Fail("number out of range", Json(value).dump(),
                  Json(rule.min()).dump() + " to " + Json(rule.max()).dump());
    }
    const auto narrow = static_cast<float>(value);
    if (place.field->is_repeated()) {
      place.message->GetReflection()->AddFloat(place.message, place.field, narrow);
    } else {
      place.message->GetReflection()->SetFloat(place.message, place.field, narrow);
    }
    return Added();
  }

  /// `bits` of a two's complement where `negative`.
  bool Integer(bool negative, uint64_t bits) {
    const auto place = SinglePlace("a number");
    if (!place) {
      return false;
    }
    const auto as_signed = static_cast<int64_t>(bits);
    const double real = negative ? static_cast<double>(as_signed) : static_cast<double>(bits);
    const auto& reflection = *place->message->GetReflection();
    switch (place->field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_FLOAT:
        return Float(*place, real);
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection.SetDouble(place->message, place->field, real);
        return true;
      case FieldDescriptor::CPPTYPE_UINT32:
        if (negative || bits > UINT32_MAX) {
          return OutOfRange(*place->field, negative, bits, "0 to 4294967295");
        }
        reflection.SetUInt32(place->message, place->field, static_cast<uint32_t>(bits));
        return true;
      case FieldDescriptor::CPPTYPE_UINT64:
        if (negative) {
          return OutOfRange(*place->field, negative, bits, "0 to 18446744073709551615");
        }
        reflection.SetUInt64(place->message, place->field, bits);
        return true;
      case FieldDescriptor::CPPTYPE_INT64:
        if (!negative && bits > INT64_MAX) {
          return OutOfRange(*place->field, negative, bits, "at most 9223372036854775807");
        }
        reflection.SetInt64(place->message, place->field, as_signed);
        return true;
      default:
        return WrongType("a number");
    }
  }

  /// The field's own bounds say more than `type_range`.
  bool OutOfRange(const FieldDescriptor& field, bool negative, uint64_t bits,
                  std::string_view type_range) {
    const v1::FieldRule& rule = field.options().GetExtension(v1::bounds);
    const std::string own = rule.has_min()
                                ? Json(static_cast<int64_t>(rule.min())).dump() + " to " +
                                      Json(static_cast<uint64_t>(rule.max())).dump()
                                : std::string(type_range);
    return Fail("number out of range",
                negative ? std::to_string(static_cast<int64_t>(bits)) : std::to_string(bits), own);
  }

  bool OpenObject() {
    if (frames_.empty()) {
      return Push({.kind = Frame::Kind::kObject, .message = root_});
    }
    const Place place = Next();
    const FieldDescriptor* field = place.field;
    const auto& reflection = *place.message->GetReflection();
    if (frames_.back().kind == Frame::Kind::kMap) {
      return OpenEntry(false);
    }
    if (field->is_map()) {
      return Push({.kind = Frame::Kind::kMap, .message = place.message, .field = field});
    }
    if (field->options().GetExtension(v1::bounds).json()) {
      raw_.emplace();
      return RawOpen('{');
    }
    const bool in_list = frames_.back().kind == Frame::Kind::kList;
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE ||
        BareField(*field->message_type()) != nullptr || field->is_repeated() != in_list) {
      return field->is_repeated() && !in_list ? Fail("wrong type", "an object", "a list")
                                              : WrongType("an object");
    }
    return Push({.kind = Frame::Kind::kObject,
                 .message = in_list ? reflection.AddMessage(place.message, field)
                                    : reflection.MutableMessage(place.message, field)});
  }

  bool OpenList() {
    if (frames_.empty()) {
      return WrongType("a list");
    }
    const Place place = Next();
    const FieldDescriptor* field = place.field;
    if (frames_.back().kind == Frame::Kind::kMap) {
      return OpenEntry(true);
    }
    const bool in_list = frames_.back().kind == Frame::Kind::kList;
    if (!in_list && field->is_repeated() && !field->is_map()) {
      return Push({.kind = Frame::Kind::kList, .message = place.message, .field = field});
    }
    const bool may_be_bare = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
                             !field->is_map() && field->is_repeated() == in_list;
    const FieldDescriptor* bare = may_be_bare ? BareField(*field->message_type()) : nullptr;
    if (bare == nullptr) {
      return WrongType("a list");
    }
    const auto& reflection = *place.message->GetReflection();
    return Push({.kind = Frame::Kind::kList,
                 .message = in_list ? reflection.AddMessage(place.message, field)
                                    : reflection.MutableMessage(place.message, field),
                 .field = bare});
  }

  /// The value of a map's entry: an object, or the list that stands for one.
  bool OpenEntry(bool as_list) {
    const Place map = Next();
    const Descriptor* entry_type = map.field->message_type();
    const FieldDescriptor* value = entry_type->map_value();
    const FieldDescriptor* bare = BareField(*value->message_type());
    if ((bare != nullptr) != as_list) {
      return Fail("wrong type", as_list ? "a list" : "an object", as_list ? "an object" : "a list");
    }
    Message* entry = map.message->GetReflection()->AddMessage(map.message, map.field);
    entry->GetReflection()->SetString(entry, entry_type->map_key(), frames_.back().keys.back());
    Message* target = entry->GetReflection()->MutableMessage(entry, value);
    return as_list ? Push({.kind = Frame::Kind::kList, .message = target, .field = bare})
                   : Push({.kind = Frame::Kind::kObject, .message = target});
  }

  bool Push(Frame frame) {
    frames_.push_back(std::move(frame));
    return true;
  }

  bool Key(const std::string& name) {
    Frame& frame = frames_.back();
    frame.name = name.substr(0, kShownBytes);
    if (frame.kind == Frame::Kind::kMap) {
      const bool twice = std::find(frame.keys.begin(), frame.keys.end(), name) != frame.keys.end();
      const uint64_t most = frame.field->options().GetExtension(v1::bounds).max_items();
      if (twice || frame.keys.size() >= most) {
        return twice ? Fail("given twice", name, "one value")
                     : Fail("too many entries", std::to_string(most + 1), std::to_string(most));
      }
      frame.keys.push_back(name);
      return true;
    }
    frame.next = Find(frame.message, name);
    if (frame.next.field == nullptr) {
      return Fail("unknown field", name, "a field of " + frame.message->GetDescriptor()->name());
    }
    if (std::find(frame.seen.begin(), frame.seen.end(), frame.next.field) != frame.seen.end()) {
      return Fail("given twice", name, "one value");
    }
    frame.seen.push_back(frame.next.field);
    const auto* group = frame.next.field->real_containing_oneof();
    if (group != nullptr && frame.message->GetReflection()->HasOneof(*frame.message, group)) {
      return Fail("given beside another of its kind", name, "one of " + Members(*group));
    }
    return true;
  }

  static std::string Members(const google::protobuf::OneofDescriptor& group) {
    std::string names;
    for (int i = 0; i < group.field_count(); ++i) {
      names += (i == 0 ? "" : ", ") + group.field(i)->name();
    }
    return names;
  }

  bool Close() {
    frames_.pop_back();
    return Added();
  }

  bool RawValue(const std::string& value) {
    raw_->Value(value);
    return true;
  }

  bool RawOpen(char bracket) {
    if (raw_->depth() >= kMaxPayloadDepth) {
      return Fail("nested too deeply", std::to_string(kMaxPayloadDepth + 1) + " levels",
                  std::to_string(kMaxPayloadDepth));
    }
    raw_->Open(bracket);
    return true;
  }

  bool RawClose(char bracket) {
    raw_->Close(bracket);
    if (raw_->depth() == 0) {
      const Place place = Next();
      place.message->GetReflection()->SetString(place.message, place.field, raw_->Take());
      raw_.reset();
    }
    return true;
  }

  Message* const root_;
  std::vector<Frame> frames_;
  std::optional<RawText> raw_;
  Status status_;
};

}  // namespace

Status ReadJson(std::string_view text, Message* message) {
  if (text.empty()) {
    return {};
  }
  MessageBuilder builder(message);
  if (!Json::sax_parse(text, &builder) && builder.status().ok()) {
    return InvalidFieldError("the body is not JSON", "body", "", "a JSON object");
  }
  return std::move(builder.status());
}

}  // namespace leadline::rpc
