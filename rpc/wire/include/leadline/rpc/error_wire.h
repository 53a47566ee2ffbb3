#pragma once

/// Errors between processes.

#include <cstdint>
#include <string>

#include "leadline/core/status.h"
#include "leadline/v1/common.pb.h"

namespace leadline::rpc {

/// What a peer is told of `status`, which is an error. `retry_after_ms` 0 gives no advice.
v1::Error WriteError(const Status& status, int64_t retry_after_ms = 0);

/// The error of a peer. One with an unknown code is kUnknown, one that says OK kInternal.
Status ReadError(const v1::Error& error);

}  // namespace leadline::rpc
