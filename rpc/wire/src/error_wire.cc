#include "leadline/rpc/error_wire.h"

namespace leadline::rpc {
namespace {

constexpr int kLastCode = static_cast<int>(StatusCode::kUnauthenticated);

StatusCode CodeNamed(const std::string& name) {
  for (int code = 0; code <= kLastCode; ++code) {
    if (StatusCodeName(static_cast<StatusCode>(code)) == name) {
      return static_cast<StatusCode>(code);
    }
  }
  return StatusCode::kUnknown;
}

}  // namespace

v1::Error WriteError(const Status& status, int64_t retry_after_ms) {
  v1::Error error;
  error.set_code(std::string(StatusCodeName(status.code())));
  error.set_message(status.message());
  error.set_field(status.field());
  error.set_limit(status.limit());
  error.set_retryable(status.retryable());
  error.set_retry_after_ms(retry_after_ms);
  return error;
}

Status ReadError(const v1::Error& error) {
  const StatusCode code = CodeNamed(error.code());
  if (code == StatusCode::kOk) {
    return InternalError("the server called a failure OK: " + error.message());
  }
  Status status(code, error.message());
  if (!error.field().empty()) {
    status.WithField(error.field(), error.limit());
  }
  return status;
}

}  // namespace leadline::rpc
