#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include <google/protobuf/reflection.h>
#include <nlohmann/json.hpp>

#include "leadline/rpc/json_wire.h"
#include "leadline/v1/options.pb.h"

namespace leadline::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void AppendString(const std::string& value, std::string* text) {
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return c >= ' ' && c != '"' && c != '\\' && c != '\x7f';
  });
  if (plain) {
    text->append(1, '"').append(value).append(1, '"');
  } else {
    text->append(
        nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
}

template <typename Number>
void AppendNumber(Number value, std::string* text) {
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  text->append(digits, end);
}

/// JSON has no word for what is not finite. Readers take "-0" for the integer, which has no sign.
template <typename Real>
void AppendReal(Real value, std::string* text) {
  if (value == 0 && std::signbit(value)) {
    text->append("-0.0");
  } else if (std::isfinite(value)) {
    AppendNumber(value, text);
  } else {
    text->append("null");
  }
}

class Writer {
 public:
  explicit Writer(std::string* text) : text_(*text) {}

  void Object(const Message& message) {
    if (const FieldDescriptor* bare = BareField(*message.GetDescriptor())) {
      List(message, bare);
      return;
    }
    text_ += '{';
    bool first = true;
    Fields(message, &first);
    text_ += '}';
  }

 private:
  void Fields(const Message& message, bool* first) {
    const auto* type = message.GetDescriptor();
    const Reflection& reflection = *message.GetReflection();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      const v1::FieldRule& rule = field->options().GetExtension(v1::bounds);
      if (rule.inlined()) {
        Fields(reflection.GetMessage(message, field), first);
      } else if (IsWritten(message, field, rule)) {
        text_.append(*first ? "\"" : ",\"").append(field->name()).append("\":");
        *first = false;
        Field(message, field, rule);
      }
    }
  }

  static bool IsWritten(const Message& message, const FieldDescriptor* field,
                        const v1::FieldRule& rule) {
    const Reflection& reflection = *message.GetReflection();
    if (rule.grpc_only()) {
      return false;
    }
    if (field->is_repeated()) {
      return !rule.omit_empty() || reflection.FieldSize(message, field) > 0;
    }
    const bool needs_value = field->has_presence() || rule.omit_empty() || rule.json() ||
                             field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM;
    return !needs_value || reflection.HasField(message, field);
  }

  void Field(const Message& message, const FieldDescriptor* field, const v1::FieldRule& rule) {
    if (field->is_map()) {
      Map(message, field);
    } else if (field->is_repeated()) {
      List(message, field);
    } else if (rule.json()) {
      text_ += message.GetReflection()->GetString(message, field);
    } else {
      Value(message, field, -1);
    }
  }

  void List(const Message& message, const FieldDescriptor* field) {
    text_ += '[';
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
      const auto values = message.GetReflection()->GetRepeatedFieldRef<float>(message, field);
      for (int i = 0; i < values.size(); ++i) {
        text_.append(i == 0 ? "" : ",");
        AppendReal(values.Get(i), &text_);
      }
    } else {
      const int size = message.GetReflection()->FieldSize(message, field);
      for (int i = 0; i < size; ++i) {
        text_.append(i == 0 ? "" : ",");
        Value(message, field, i);
      }
    }
    text_ += ']';
  }

  /// Maps of the service have strings for keys and messages for values. Sorted, so that equal
  /// messages give equal texts.
  void Map(const Message& message, const FieldDescriptor* field) {
    const Reflection& reflection = *message.GetReflection();
    const FieldDescriptor* key = field->message_type()->map_key();
    const FieldDescriptor* value = field->message_type()->map_value();
    std::vector<std::pair<std::string, const Message*>> entries;
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      const Message& entry = reflection.GetRepeatedMessage(message, field, i);
      entries.emplace_back(entry.GetReflection()->GetString(entry, key),
                           &entry.GetReflection()->GetMessage(entry, value));
    }
    std::sort(entries.begin(), entries.end());
    text_ += '{';
    for (const auto& [name, one] : entries) {
      text_.append(text_.back() == '{' ? "" : ",");
      AppendString(name, &text_);
      text_ += ':';
      Object(*one);
    }
    text_ += '}';
  }

  /// `index` -1 for a field that is not repeated.
  void Value(const Message& message, const FieldDescriptor* field, int index) {
    const Reflection& reflection = *message.GetReflection();
    const bool one = index < 0;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Object(one ? reflection.GetMessage(message, field)
                   : reflection.GetRepeatedMessage(message, field, index));
        break;
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string scratch;
        AppendString(one ? reflection.GetStringReference(message, field, &scratch)
                         : reflection.GetRepeatedStringReference(message, field, index, &scratch),
                     &text_);
        break;
      }
      case FieldDescriptor::CPPTYPE_ENUM:
        AppendString(EnumWord(one ? *reflection.GetEnum(message, field)
                                  : *reflection.GetRepeatedEnum(message, field, index)),
                     &text_);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        text_ += (one ? reflection.GetBool(message, field)
                      : reflection.GetRepeatedBool(message, field, index))
                     ? "true"
                     : "false";
        break;
      default:
        NumberValue(message, field, index);
    }
  }

  void NumberValue(const Message& message, const FieldDescriptor* field, int index) {
    const Reflection& reflection = *message.GetReflection();
    const bool one = index < 0;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        AppendNumber(one ? reflection.GetInt32(message, field)
                         : reflection.GetRepeatedInt32(message, field, index),
                     &text_);
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        AppendNumber(one ? reflection.GetUInt32(message, field)
                         : reflection.GetRepeatedUInt32(message, field, index),
                     &text_);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        AppendNumber(one ? reflection.GetInt64(message, field)
                         : reflection.GetRepeatedInt64(message, field, index),
                     &text_);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        AppendNumber(one ? reflection.GetUInt64(message, field)
                         : reflection.GetRepeatedUInt64(message, field, index),
                     &text_);
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        AppendReal(one ? reflection.GetFloat(message, field)
                       : reflection.GetRepeatedFloat(message, field, index),
                   &text_);
        break;
      default:
        AppendReal(one ? reflection.GetDouble(message, field)
                       : reflection.GetRepeatedDouble(message, field, index),
                   &text_);
    }
  }

  std::string& text_;
};

}  // namespace

void WriteJson(const Message& message, std::string* text) {
  Writer(text).Object(message);
}

}  // namespace leadline::rpc
