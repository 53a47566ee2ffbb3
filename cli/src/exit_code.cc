#include "exit_code.h"

namespace leadline::cli {

ExitCode ExitCodeOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return ExitCode::kDone;
    case StatusCode::kInvalidArgument:
    case StatusCode::kNotFound:
    case StatusCode::kAlreadyExists:
    case StatusCode::kOutOfRange:
      return ExitCode::kInvalidInput;
    case StatusCode::kCancelled:
      return ExitCode::kInterrupted;
    case StatusCode::kUnknown:
    case StatusCode::kDeadlineExceeded:
    case StatusCode::kPermissionDenied:
    case StatusCode::kResourceExhausted:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kAborted:
    case StatusCode::kUnimplemented:
    case StatusCode::kInternal:
    case StatusCode::kUnavailable:
    case StatusCode::kDataLoss:
    case StatusCode::kUnauthenticated:
      return ExitCode::kCouldNotRun;
  }
  return ExitCode::kCouldNotRun;
}

Status AsInputError(const Status& status) {
  if (status.code() == StatusCode::kDataLoss) {
    return InvalidArgumentError(status.message()).WithField(status.field(), status.limit());
  }
  return status;
}

}  // namespace leadline::cli
