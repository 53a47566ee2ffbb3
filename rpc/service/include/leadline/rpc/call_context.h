#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/v1/options.pb.h"

namespace leadline::rpc {

struct CallRecord;
struct Method;

/// How many calls a second, and how many of them at once after a pause.
struct CallRate {
  static constexpr uint32_t kMax = 1'000'000;  ///< of both

  uint32_t per_second = 0;  ///< 0 sets no limit
  uint32_t burst = 0;       ///< 0 means as many as in one second
};

/// Who calls, and what that allows.
struct Caller {
  std::string token_id;  ///< empty where no token is asked for
  v1::Role role = v1::ROLE_PUBLIC;
  bool all_collections = false;
  std::vector<std::string> collections;         ///< where not all
  std::optional<CallRate> rate = std::nullopt;  ///< the token's own; else the server's

  [[nodiscard]] bool MayTouch(std::string_view collection) const;
};

/// kUnauthenticated or kPermissionDenied where `caller` may not call `method`, whatever the body
/// says.
Status CheckRole(const Method& method, const Caller& caller);

/// What a handler knows of a call beside its request. Borrows its pointers for the length of the
/// call.
struct CallContext {
  const Caller* caller = nullptr;
  const CancelToken* cancel = nullptr;
  /// Clock::MonotonicNanos value after which the call fails; 0 means no deadline.
  int64_t deadline_nanos = 0;
  /// Where the call is noted; null where nobody wants to know.
  CallRecord* record = nullptr;

  /// What is left, in ms, at least 1; 0 without a deadline. kDeadlineExceeded once it has passed.
  [[nodiscard]] Result<int64_t> TimeoutMs() const;
};

}  // namespace leadline::rpc
