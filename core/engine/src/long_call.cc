#include "long_call.h"

#include <algorithm>
#include <utility>

#include "read_view.h"

namespace leadline::engine {
namespace {

constexpr size_t kLookBytes = size_t{1} << 20;
constexpr int64_t kNanosPerMilli = 1'000'000;

}  // namespace

Result<LongCall> LongCall::Start(Clock* clock, const CallOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(const CallControl control,
                            MakeControl(clock, options.timeout_ms, options.cancel));
  LEADLINE_RETURN_IF_ERROR(control.Check());
  return LongCall(control, options);
}

Status LongCall::Begin(std::string stage, uint64_t units) {
  stage_ = std::move(stage);
  units_ = units;
  done_ = 0;
  return Look();
}

Status LongCall::Before(size_t bytes) {
  ++done_;
  unseen_bytes_ += bytes;
  return ++unseen_units_ < CallControl::kCheckInterval && unseen_bytes_ < kLookBytes ? OkStatus()
                                                                                     : Look();
}

Status LongCall::At(uint64_t done_units) {
  done_ = done_units;
  return Look();
}

Result<CallOptions> LongCall::Rest() const {
  LEADLINE_RETURN_IF_ERROR(control_.Check());
  CallOptions rest = *options_;
  if (control_.deadline_nanos != 0) {
    // Rounded up: 0 would mean no deadline.
    const int64_t left = control_.deadline_nanos - control_.clock->MonotonicNanos();
    rest.timeout_ms = std::max<int64_t>(1, (left + kNanosPerMilli - 1) / kNanosPerMilli);
  }
  return rest;
}

Status LongCall::Look() {
  unseen_units_ = 0;
  unseen_bytes_ = 0;
  LEADLINE_RETURN_IF_ERROR(control_.Check());
  if (options_->progress) {
    const double share = units_ == 0 ? 0 : static_cast<double>(done_) / static_cast<double>(units_);
    options_->progress(stage_, std::min(share, 1.0));
  }
  return {};
}

bool IsStop(const Status& status) {
  return status.code() == StatusCode::kCancelled || status.code() == StatusCode::kDeadlineExceeded;
}

}  // namespace leadline::engine
