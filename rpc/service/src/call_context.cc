#include "leadline/rpc/call_context.h"

#include <algorithm>

#include "leadline/core/clock.h"
#include "leadline/rpc/method_table.h"

namespace leadline::rpc {

bool Caller::MayTouch(std::string_view collection) const {
  return all_collections ||
         std::find(collections.begin(), collections.end(), collection) != collections.end();
}

Status CheckRole(const Method& method, const Caller& caller) {
  const v1::Role needed = method.rule.role();
  if (needed == v1::ROLE_UNSPECIFIED) {
    return PermissionDeniedError("nobody may call " + method.path);
  }
  if (caller.role < needed) {
    return caller.role == v1::ROLE_PUBLIC
               ? Status(StatusCode::kUnauthenticated, "a token is required: " + method.path)
               : PermissionDeniedError("the token's role does not reach: " + method.path +
                                       " needs " + v1::Role_Name(needed));
  }
  const bool whole = method.collection == nullptr && !method.rule.any_scope();
  if (whole && needed > v1::ROLE_PUBLIC && !caller.all_collections) {
    return PermissionDeniedError("the token is for some collections only: " + method.path +
                                 " is about all of them");
  }
  return {};
}

Result<int64_t> CallContext::TimeoutMs() const {
  if (deadline_nanos == 0) {
    return int64_t{0};
  }
  const int64_t left = deadline_nanos - Clock::System()->MonotonicNanos();
  if (left <= 0) {
    return DeadlineExceededError("the deadline has passed");
  }
  return std::max<int64_t>(1, left / 1'000'000);
}

}  // namespace leadline::rpc
