#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "leadline/core/call_control.h"
#include "leadline/core/options.h"

namespace leadline::engine {

/// One call under CallOptions, on its way through stages: looks at token and time, tells progress.
/// Thread-compatible. Borrows the options.
class LongCall {
 public:
  /// kInvalidArgument for a negative timeout.
  static Result<LongCall> Start(Clock* clock, const CallOptions& options);

  /// A new stage of `units` pieces of work; 0 where nobody knows. kCancelled, kDeadlineExceeded.
  Status Begin(std::string stage, uint64_t units);
  /// Call before each piece of work of the stage. Looks once in kCheckInterval pieces or 1 MiB.
  Status Before(size_t bytes);
  /// The same for work that counts its pieces itself and looks at each call.
  Status At(uint64_t done_units);

  [[nodiscard]] const CallControl& control() const { return control_; }

  /// For a call made on the way: the same token and progress, and the time that is left.
  [[nodiscard]] Result<CallOptions> Rest() const;

 private:
  LongCall(const CallControl& control, const CallOptions& options)
      : control_(control), options_(&options) {}

  Status Look();

  CallControl control_;
  const CallOptions* options_;
  std::string stage_;
  uint64_t units_ = 0;
  uint64_t done_ = 0;
  size_t unseen_units_ = 0;
  size_t unseen_bytes_ = 0;
};

/// True for the answer of a call that was told to stop.
bool IsStop(const Status& status);

}  // namespace leadline::engine
