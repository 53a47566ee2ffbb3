#include "leadline/core/call_control.h"

namespace leadline {

Status CallControl::Check() const {
  if (cancel != nullptr && cancel->cancelled()) {
    return CancelledError("call cancelled by its token");
  }
  if (owner_cancel != nullptr && owner_cancel->cancelled()) {
    return CancelledError("call cancelled: what it works on is being closed");
  }
  if (deadline_nanos != 0 && clock != nullptr && clock->MonotonicNanos() > deadline_nanos) {
    return DeadlineExceededError("deadline passed before the call finished");
  }
  return {};
}

}  // namespace leadline
