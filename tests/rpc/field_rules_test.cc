// Every field of every request at and beyond its bounds, made from the descriptors.

#include "leadline/rpc/field_rules.h"

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "leadline/rpc/method_table.h"
#include "leadline/v1/options.pb.h"
#include "status_matchers.h"

namespace leadline::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using testing::StatusIs;

const v1::FieldRule& RuleOf(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::bounds);
}

bool IsNumber(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
    case FieldDescriptor::CPPTYPE_ENUM:
    case FieldDescriptor::CPPTYPE_BOOL:
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return false;
    default:
      return true;
  }
}

/// Calls `visit` with every type of message that a request can hold, each once.
void VisitTypes(const std::function<void(const Descriptor&)>& visit) {
  std::set<const Descriptor*> seen;
  const std::function<void(const Descriptor&)> walk = [&](const Descriptor& type) {
    if (!seen.insert(&type).second) {
      return;
    }
    visit(type);
    for (int i = 0; i < type.field_count(); ++i) {
      if (type.field(i)->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        walk(*type.field(i)->message_type());
      }
    }
  };
  for (const Method& method : Methods()) {
    walk(*method.request->GetDescriptor());
  }
}

TEST(FieldRules, EveryFieldOfEveryRequestHasBounds) {
  int fields = 0;
  VisitTypes([&fields](const Descriptor& type) {
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (type.options().map_entry()) {
        continue;  // the map's own field says what its keys are
      }
      SCOPED_TRACE(field.full_name());
      const v1::FieldRule& rule = RuleOf(field);
      EXPECT_TRUE(!field.is_repeated() || rule.has_max_items());
      EXPECT_TRUE(!IsNumber(field) || (rule.has_min() && rule.has_max()));
      EXPECT_TRUE(field.cpp_type() != FieldDescriptor::CPPTYPE_STRING || rule.has_max_bytes());
      EXPECT_LE(rule.min(), rule.max());
      ++fields;
    }
  });
  EXPECT_GT(fields, 50);
}

/// Sets a number of any type, one that the type can hold.
void SetNumber(Message* message, const FieldDescriptor* field, double value) {
  const Reflection& reflection = *message->GetReflection();
  const bool many = field->is_repeated();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      many ? reflection.AddInt32(message, field, static_cast<int32_t>(value))
           : reflection.SetInt32(message, field, static_cast<int32_t>(value));
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      many ? reflection.AddUInt32(message, field, static_cast<uint32_t>(value))
           : reflection.SetUInt32(message, field, static_cast<uint32_t>(value));
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      many ? reflection.AddInt64(message, field, static_cast<int64_t>(value))
           : reflection.SetInt64(message, field, static_cast<int64_t>(value));
      break;
    case FieldDescriptor::CPPTYPE_UINT64:
      many ? reflection.AddUInt64(message, field, static_cast<uint64_t>(value))
           : reflection.SetUInt64(message, field, static_cast<uint64_t>(value));
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      many ? reflection.AddFloat(message, field, static_cast<float>(value))
           : reflection.SetFloat(message, field, static_cast<float>(value));
      break;
    default:
      many ? reflection.AddDouble(message, field, value)
           : reflection.SetDouble(message, field, value);
  }
}

/// The smallest and the largest value of the field's type, and whether it has fractions.
struct TypeRange {
  double min;
  double max;
  bool real;
};

TypeRange RangeOf(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return {-2147483648.0, 2147483647.0, false};
    case FieldDescriptor::CPPTYPE_UINT32:
      return {0, 4294967295.0, false};
    case FieldDescriptor::CPPTYPE_INT64:
      return {-9e18, 9e18, false};
    case FieldDescriptor::CPPTYPE_UINT64:
      return {0, 1.8e19, false};
    default:
      return {-INFINITY, INFINITY, true};
  }
}

/// Values beyond the bounds that the type can hold.
std::vector<double> BadNumbers(const FieldDescriptor& field) {
  const v1::FieldRule& rule = RuleOf(field);
  const TypeRange range = RangeOf(field);
  std::vector<double> values;
  for (const double value : {rule.min() - 1, rule.max() + 1, -1.0, 2147483648.0, 9e18,
                             range.real ? INFINITY : range.max, range.min}) {
    const bool holds = value >= range.min && value <= range.max;
    const double held = range.real ? static_cast<float>(value) : value;
    if (holds && (held < rule.min() || held > rule.max())) {
      values.push_back(value);
    }
  }
  if (range.real) {
    values.push_back(NAN);
  }
  return values;
}

/// Runs `check` on a message of `type` in which nothing else is out of bounds.
void WithMessage(const Descriptor& type, const std::function<void(Message*)>& check) {
  const std::unique_ptr<Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->New());
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    const bool must = field->cpp_type() == FieldDescriptor::CPPTYPE_STRING &&
                      !field->is_repeated() && RuleOf(*field).min_bytes() > 0 &&
                      field->containing_oneof() == nullptr;
    if (must) {
      message->GetReflection()->SetString(message.get(), field, "a");
    } else if (IsNumber(*field) && !field->is_repeated() && RuleOf(*field).min() > 0 &&
               !field->has_presence()) {
      SetNumber(message.get(), field, RuleOf(*field).min());
    }
  }
  EXPECT_OK(CheckFields(*message)) << type.full_name();
  check(message.get());
}

TEST(FieldRules, NumbersOutsideTheirBoundsAreRefused) {
  int cases = 0;
  VisitTypes([&cases](const Descriptor& type) {
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor* field = type.field(i);
      if (!IsNumber(*field)) {
        continue;
      }
      SCOPED_TRACE(field->full_name());
      for (const double bound : {RuleOf(*field).min(), RuleOf(*field).max()}) {
        WithMessage(type, [&](Message* message) {
          SetNumber(message, field, bound);
          EXPECT_OK(CheckFields(*message)) << bound;
        });
      }
      for (const double value : BadNumbers(*field)) {
        WithMessage(type, [&](Message* message) {
          SetNumber(message, field, value);
          EXPECT_THAT(CheckFields(*message),
                      StatusIs(StatusCode::kInvalidArgument, "field=" + field->name()))
              << value;
          ++cases;
        });
      }
    }
  });
  EXPECT_GT(cases, 50);
}

/// Puts a text of `bytes` bytes into a field that may be repeated.
void SetText(Message* message, const FieldDescriptor* field, size_t bytes) {
  const Reflection& reflection = *message->GetReflection();
  const std::string text(bytes, 'a');
  if (field->is_repeated()) {
    reflection.AddString(message, field, text);
  } else {
    reflection.SetString(message, field, text);
  }
}

TEST(FieldRules, TextsOutsideTheirBoundsAreRefused) {
  int cases = 0;
  VisitTypes([&cases](const Descriptor& type) {
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor* field = type.field(i);
      const v1::FieldRule& rule = RuleOf(*field);
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_STRING || !rule.has_max_bytes()) {
        continue;
      }
      SCOPED_TRACE(field->full_name());
      WithMessage(type, [&](Message* message) {
        SetText(message, field, rule.max_bytes());
        EXPECT_OK(CheckFields(*message));
        SetText(message, field, rule.max_bytes() + 1);
        EXPECT_THAT(CheckFields(*message),
                    StatusIs(StatusCode::kInvalidArgument, "wrong length: field=" + field->name()));
        ++cases;
      });
      if (rule.min_bytes() > 0) {
        WithMessage(type, [&](Message* message) {
          SetText(message, field, 0);
          EXPECT_THAT(CheckFields(*message),
                      StatusIs(StatusCode::kInvalidArgument, "wrong length"));
        });
      }
      if (rule.name()) {
        for (const char* bad : {"a/b", "..", "a b", "\xC3\xA4", "a\n"}) {
          WithMessage(type, [&](Message* message) {
            message->GetReflection()->SetString(message, field, bad);
            EXPECT_THAT(CheckFields(*message),
                        StatusIs(StatusCode::kInvalidArgument, "not allowed in a name"));
          });
        }
      }
    }
  });
  EXPECT_GT(cases, 30);
}

/// Adds one item to a repeated field that breaks no other rule.
void AddItem(Message* message, const FieldDescriptor* field, int number) {
  const Reflection& reflection = *message->GetReflection();
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    reflection.AddString(message, field, "a");
  } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    Message* item = reflection.AddMessage(message, field);
    if (field->is_map()) {
      item->GetReflection()->SetString(item, field->message_type()->map_key(),
                                       "k" + std::to_string(number));
    }
  } else {
    SetNumber(message, field, RuleOf(*field).min());
  }
}

TEST(FieldRules, TooManyItemsAreRefused) {
  int cases = 0;
  VisitTypes([&cases](const Descriptor& type) {
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor* field = type.field(i);
      if (!field->is_repeated()) {
        continue;
      }
      SCOPED_TRACE(field->full_name());
      WithMessage(type, [&](Message* message) {
        for (uint64_t item = 0; item <= RuleOf(*field).max_items(); ++item) {
          AddItem(message, field, static_cast<int>(item));
        }
        EXPECT_THAT(CheckFields(*message), StatusIs(StatusCode::kInvalidArgument,
                                                    "number of items: field=" + field->name()));
        ++cases;
      });
    }
  });
  EXPECT_GT(cases, 8);
}

TEST(FieldRules, UnknownEnumerationValuesAreRefused) {
  VisitTypes([](const Descriptor& type) {
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor* field = type.field(i);
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
        SCOPED_TRACE(field->full_name());
        WithMessage(type, [&](Message* message) {
          message->GetReflection()->SetEnumValue(message, field, 12345);
          EXPECT_THAT(CheckFields(*message),
                      StatusIs(StatusCode::kInvalidArgument, "unknown value"));
        });
      }
    }
  });
}

}  // namespace
}  // namespace leadline::rpc
