#include "leadline/rpc/field_rules.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <google/protobuf/reflection.h>

#include "leadline/rpc/method_table.h"
#include "leadline/v1/options.pb.h"

namespace leadline::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string Shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

std::string Range(const std::string& low, const std::string& high) {
  return low + " to " + high;
}

struct MessagePlan;

/// One field with what is asked of it. Descriptors find it too, but take longer than a whole check.
struct FieldPlan {
  const FieldDescriptor* field = nullptr;
  const v1::FieldRule* rule = nullptr;
  const MessagePlan* message = nullptr;  ///< of fields that are messages
};

/// Fields of one type of message, but for those that cannot be wrong.
struct MessagePlan {
  std::vector<FieldPlan> fields;
};

/// By type: those of all requests and of what they hold.
using Plans = std::unordered_map<const Descriptor*, MessagePlan>;

/// Elements of `plans` keep their places.
const MessagePlan* AddPlan(const Descriptor* type, Plans* plans) {
  const auto [entry, is_new] = plans->try_emplace(type);
  MessagePlan* const plan = &entry->second;
  for (int i = 0; is_new && i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_BOOL || field->is_repeated()) {
      plan->fields.push_back({field, &field->options().GetExtension(v1::bounds),
                              is_message ? AddPlan(field->message_type(), plans) : nullptr});
    }
  }
  return plan;
}

Plans MakePlans() {
  Plans plans;
  for (const Method& method : Methods()) {
    AddPlan(method.request->GetDescriptor(), &plans);
  }
  return plans;
}

/// Checks one message. Messages of the service do not nest without end, so neither does this.
class FieldCheck {
 public:
  explicit FieldCheck(const Message& message) : FieldCheck(message, nullptr, nullptr, -1) {}

  Status Run(const MessagePlan& plan) const {
    for (const FieldPlan& field : plan.fields) {
      LEADLINE_RETURN_IF_ERROR(field.field->is_repeated() ? Repeated(field) : Single(field));
    }
    return {};
  }

 private:
  /// The message is item `index` of `field` of `outer`'s message; -1 for a field that is not
  /// repeated.
  FieldCheck(const Message& message, const FieldCheck* outer, const FieldPlan* field, int index)
      : message_(message),
        reflection_(*message.GetReflection()),
        outer_(outer),
        field_(field),
        index_(index) {}

  /// What stands before the names of fields: made only for errors.
  [[nodiscard]] std::string Prefix() const {
    if (outer_ == nullptr) {
      return "";
    }
    return field_->rule->inlined() ? outer_->Prefix() : outer_->NameOf(field_->field, index_) + ".";
  }

  [[nodiscard]] std::string NameOf(const FieldDescriptor* field, int index) const {
    return Prefix() + field->name() + (index < 0 ? "" : "[" + std::to_string(index) + "]");
  }

  Status Single(const FieldPlan& plan) const {
    const FieldDescriptor* field = plan.field;
    if (field->has_presence() && !reflection_.HasField(message_, field)) {
      return {};
    }
    if (plan.message != nullptr) {
      return FieldCheck(reflection_.GetMessage(message_, field), this, &plan, -1)
          .Run(*plan.message);
    }
    return Value(field, *plan.rule, -1);
  }

  Status Repeated(const FieldPlan& plan) const {
    const FieldDescriptor* field = plan.field;
    const v1::FieldRule& rule = *plan.rule;
    const int size = reflection_.FieldSize(message_, field);
    const auto items = static_cast<uint64_t>(size);
    if (items < rule.min_items() || (rule.has_max_items() && items > rule.max_items())) {
      return InvalidFieldError(
          "wrong number of items", NameOf(field, -1), std::to_string(items),
          Range(std::to_string(rule.min_items()), std::to_string(rule.max_items())));
    }
    if (size > 0 && field->cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
      return Floats(field, rule);
    }
    for (int i = 0; i < size; ++i) {
      if (plan.message != nullptr) {
        LEADLINE_RETURN_IF_ERROR(
            FieldCheck(reflection_.GetRepeatedMessage(message_, field, i), this, &plan, i)
                .Run(*plan.message));
      } else {
        LEADLINE_RETURN_IF_ERROR(Value(field, rule, i));
      }
    }
    return {};
  }

  Status Floats(const FieldDescriptor* field, const v1::FieldRule& rule) const {
    const auto values = reflection_.GetRepeatedFieldRef<float>(message_, field);
    const auto low = static_cast<float>(rule.min());
    const auto high = static_cast<float>(rule.max());
    for (int i = 0; rule.has_min() && i < values.size(); ++i) {
      const float value = values.Get(i);
      if (!(value >= low && value <= high)) {
        return Number(field, rule, i, value);
      }
    }
    return {};
  }

  /// `index` -1 for a field that is not repeated.
  Status Value(const FieldDescriptor* field, const v1::FieldRule& rule, int index) const {
    const bool one = index < 0;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string scratch;
        const std::string& text =
            one ? reflection_.GetStringReference(message_, field, &scratch)
                : reflection_.GetRepeatedStringReference(message_, field, index, &scratch);
        return Text(field, rule, index, text);
      }
      case FieldDescriptor::CPPTYPE_ENUM:
        return Enumeration(field, index,
                           one ? reflection_.GetEnumValue(message_, field)
                               : reflection_.GetRepeatedEnumValue(message_, field, index));
      case FieldDescriptor::CPPTYPE_BOOL:
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return {};
      default:
        return Number(field, rule, index, NumberAt(field, index));
    }
  }

  [[nodiscard]] double NumberAt(const FieldDescriptor* field, int index) const {
    const bool one = index < 0;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return one ? reflection_.GetInt32(message_, field)
                   : reflection_.GetRepeatedInt32(message_, field, index);
      case FieldDescriptor::CPPTYPE_UINT32:
        return one ? reflection_.GetUInt32(message_, field)
                   : reflection_.GetRepeatedUInt32(message_, field, index);
      case FieldDescriptor::CPPTYPE_INT64:
        return static_cast<double>(one ? reflection_.GetInt64(message_, field)
                                       : reflection_.GetRepeatedInt64(message_, field, index));
      case FieldDescriptor::CPPTYPE_UINT64:
        return static_cast<double>(one ? reflection_.GetUInt64(message_, field)
                                       : reflection_.GetRepeatedUInt64(message_, field, index));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return one ? reflection_.GetFloat(message_, field)
                   : reflection_.GetRepeatedFloat(message_, field, index);
      default:
        return one ? reflection_.GetDouble(message_, field)
                   : reflection_.GetRepeatedDouble(message_, field, index);
    }
  }

  Status Number(const FieldDescriptor* field, const v1::FieldRule& rule, int index,
                double value) const {
    if (!rule.has_min() || (value >= rule.min() && value <= rule.max())) {
      return {};
    }
    return InvalidFieldError("number out of range", NameOf(field, index), Shown(value),
                             Range(Shown(rule.min()), Shown(rule.max())));
  }

  Status Text(const FieldDescriptor* field, const v1::FieldRule& rule, int index,
              const std::string& text) const {
    if (text.size() < rule.min_bytes() ||
        (rule.has_max_bytes() && text.size() > rule.max_bytes())) {
      return InvalidFieldError(
          "wrong length", NameOf(field, index), std::to_string(text.size()) + " bytes",
          Range(std::to_string(rule.min_bytes()), std::to_string(rule.max_bytes())));
    }
    if (!rule.name()) {
      return {};
    }
    const auto odd = std::find_if_not(text.begin(), text.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || c == '-';
    });
    if (odd != text.end()) {
      return InvalidFieldError("character not allowed in a name", NameOf(field, index),
                               "at byte " + std::to_string(odd - text.begin()), "[A-Za-z0-9_-]+");
    }
    return {};
  }

  Status Enumeration(const FieldDescriptor* field, int index, int number) const {
    const auto* type = field->enum_type();
    if (type->FindValueByNumber(number) != nullptr) {
      return {};
    }
    return InvalidFieldError("unknown value", NameOf(field, index), std::to_string(number),
                             "a value of " + type->name());
  }

  const Message& message_;
  const Reflection& reflection_;
  const FieldCheck* const outer_;
  const FieldPlan* const field_;
  const int index_;
};

}  // namespace

Status CheckFields(const Message& message) {
  static const Plans* const kPlans = new Plans(MakePlans());
  const auto found = kPlans->find(message.GetDescriptor());
  if (found != kPlans->end()) {
    return FieldCheck(message).Run(found->second);
  }
  Plans own;
  return FieldCheck(message).Run(*AddPlan(message.GetDescriptor(), &own));
}

}  // namespace leadline::rpc
