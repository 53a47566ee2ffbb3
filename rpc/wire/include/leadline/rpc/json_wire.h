#pragma once

/// The HTTP form of the messages of rpc/proto, from their descriptors alone:
///
///   - a message is an object, its fields have the proto's names; `inlined` messages stand among
///     their siblings, a message with a `bare` field is that field's list
///   - 64-bit integers are numbers, enumerations lower-case words ("cosine"), `json` strings the
///     JSON that they hold; `grpc_only` fields do not exist
///   - written: everything but what is absent, and what may be left out where it is empty

#include <string>
#include <string_view>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "leadline/core/status.h"

namespace leadline::rpc {

/// Fills the empty `message` from the JSON object `text`; an empty text is {}. kInvalidArgument
/// for what is no JSON, unknown and repeated names, wrong types, and numbers that the field cannot
/// hold; names the field by its path, "records[3].vector[7]". Bounds are CheckFields's business.
/// Memory: no more than a small multiple of the text. Thread-safe.
Status ReadJson(std::string_view text, google::protobuf::Message* message);

/// Appends `message` as JSON.
void WriteJson(const google::protobuf::Message& message, std::string* text);

/// The word for a value of `type` in the HTTP form: "cosine" for METRIC_COSINE.
std::string EnumWord(const google::protobuf::EnumValueDescriptor& value);

/// The field that stands for messages of `type`; null where they are objects.
const google::protobuf::FieldDescriptor* BareField(const google::protobuf::Descriptor& type);

}  // namespace leadline::rpc
