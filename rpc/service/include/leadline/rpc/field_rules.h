#pragma once

/// The bounds that rpc/proto declares for the fields of a request.

#include <google/protobuf/message.h>

#include "leadline/core/status.h"

namespace leadline::rpc {

/// kInvalidArgument for the first field outside its bounds; names it by its path, as
/// "records[3].vector[7]", with value and limit. Enumerations must be numbers that the proto knows.
/// Cost: one look at every field that is set and every number. Thread-safe.
Status CheckFields(const google::protobuf::Message& message);

}  // namespace leadline::rpc
