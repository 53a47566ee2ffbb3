#include "leadline/core/status.h"

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace leadline {

struct Status::Rep {
  StatusCode code;
  std::string message;
  std::string field;
  std::string limit;
  bool retryable;
  // Relaxed: a status may be read by two threads at once; the flag only feeds the debug check.
  std::atomic<bool> read{false};
  std::atomic<uint64_t> owners{1};

  Rep(StatusCode c, std::string m)
      : code(c),
        message(std::move(m)),
        retryable(c == StatusCode::kUnavailable || c == StatusCode::kAborted ||
                  c == StatusCode::kResourceExhausted || c == StatusCode::kDeadlineExceeded) {}

  Rep(const Rep& o)
      : code(o.code), message(o.message), field(o.field), limit(o.limit), retryable(o.retryable) {}

  Rep& operator=(const Rep&) = delete;
  ~Rep() = default;
};

namespace {
const std::string& EmptyString() {
  static const std::string* const kEmpty = new std::string();
  return *kEmpty;
}
}  // namespace

std::string_view StatusCodeName(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return "OK";
    case StatusCode::kCancelled:
      return "CANCELLED";
    case StatusCode::kUnknown:
      return "UNKNOWN";
    case StatusCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case StatusCode::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case StatusCode::kNotFound:
      return "NOT_FOUND";
    case StatusCode::kAlreadyExists:
      return "ALREADY_EXISTS";
    case StatusCode::kPermissionDenied:
      return "PERMISSION_DENIED";
    case StatusCode::kResourceExhausted:
      return "RESOURCE_EXHAUSTED";
    case StatusCode::kFailedPrecondition:
      return "FAILED_PRECONDITION";
    case StatusCode::kAborted:
      return "ABORTED";
    case StatusCode::kOutOfRange:
      return "OUT_OF_RANGE";
    case StatusCode::kUnimplemented:
      return "UNIMPLEMENTED";
    case StatusCode::kInternal:
      return "INTERNAL";
    case StatusCode::kUnavailable:
      return "UNAVAILABLE";
    case StatusCode::kDataLoss:
      return "DATA_LOSS";
    case StatusCode::kUnauthenticated:
      return "UNAUTHENTICATED";
  }
  return "UNKNOWN";
}

Status::Status(StatusCode code, std::string message) {
  if (code != StatusCode::kOk) {
    rep_ = new Rep(code, std::move(message));
  }
}

Status::Status(const Status& other) noexcept {
  if (other.rep_ == nullptr) {
    return;
  }
  other.MarkRead();
  try {
    rep_ = new Rep(*other.rep_);  // one of its own, so that a copy nobody reads is noticed
  } catch (const std::bad_alloc&) {
    other.rep_->owners.fetch_add(1, std::memory_order_relaxed);
    rep_ = other.rep_;
  }
}

Status& Status::operator=(const Status& other) noexcept {
  if (this != &other) {
    *this = Status(other);
  }
  return *this;
}

Status& Status::operator=(Status&& other) noexcept {
  if (this != &other) {
    Release();
    rep_ = std::exchange(other.rep_, nullptr);
  }
  return *this;
}

void Status::Release() noexcept {
  Rep* const rep = std::exchange(rep_, nullptr);
  if (rep == nullptr || rep->owners.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
#ifdef LEADLINE_DEBUG_CHECKS
  if (!rep->read.load(std::memory_order_relaxed)) {
    std::fprintf(stderr, "leadline: error destroyed unread: %s\n", rep->message.c_str());
    std::abort();
  }
#endif
  delete rep;
}

void Status::Unshare() {
  if (rep_ != nullptr && rep_->owners.load(std::memory_order_acquire) != 1) {
    Status own;
    own.rep_ = new Rep(*rep_);
    *this = std::move(own);
  }
}

void Status::MarkRead() const noexcept {
  if (rep_ != nullptr) {
    rep_->read.store(true, std::memory_order_relaxed);
  }
}

StatusCode Status::code() const noexcept {
  MarkRead();
  return rep_ == nullptr ? StatusCode::kOk : rep_->code;
}

const std::string& Status::message() const noexcept {
  MarkRead();
  return rep_ == nullptr ? EmptyString() : rep_->message;
}

const std::string& Status::field() const noexcept {
  MarkRead();
  return rep_ == nullptr ? EmptyString() : rep_->field;
}

const std::string& Status::limit() const noexcept {
  MarkRead();
  return rep_ == nullptr ? EmptyString() : rep_->limit;
}

bool Status::retryable() const noexcept {
  MarkRead();
  return rep_ != nullptr && rep_->retryable;
}

std::string Status::ToString() const {
  if (ok()) {
    return "OK";
  }
  return std::string(StatusCodeName(rep_->code)) + ": " + rep_->message;
}

Status& Status::WithField(std::string field, std::string limit) {
  if (rep_ != nullptr) {
    Unshare();
    rep_->field = std::move(field);
    rep_->limit = std::move(limit);
  }
  return *this;
}

Status& Status::WithContext(std::string_view context) {
  if (rep_ != nullptr) {
    Unshare();
    rep_->message = std::string(context) + ": " + rep_->message;
  }
  return *this;
}

Status OkStatus() {
  return {};
}

Status CancelledError(std::string message) {
  return {StatusCode::kCancelled, std::move(message)};
}

Status InvalidArgumentError(std::string message) {
  return {StatusCode::kInvalidArgument, std::move(message)};
}

Status InvalidFieldError(std::string_view what, std::string_view field, std::string_view value,
                         std::string_view limit) {
  std::string message(what);
  message.append(": field=").append(field).append(" value=").append(value);
  message.append(" limit=").append(limit);
  Status status = InvalidArgumentError(std::move(message));
  status.WithField(std::string(field), std::string(limit));
  return status;
}

Status DeadlineExceededError(std::string message) {
  return {StatusCode::kDeadlineExceeded, std::move(message)};
}

Status NotFoundError(std::string message) {
  return {StatusCode::kNotFound, std::move(message)};
}

Status AlreadyExistsError(std::string message) {
  return {StatusCode::kAlreadyExists, std::move(message)};
}

Status PermissionDeniedError(std::string message) {
  return {StatusCode::kPermissionDenied, std::move(message)};
}

Status ResourceExhaustedError(std::string message) {
  return {StatusCode::kResourceExhausted, std::move(message)};
}

Status OutOfMemoryError() noexcept {
  // Never destroyed, and its text is so short that it lies in the string itself.
  alignas(Status::Rep) static std::byte place[sizeof(Status::Rep)];
  static auto* const kRep =
      new (place) Status::Rep(StatusCode::kResourceExhausted, "out of memory");
  kRep->owners.fetch_add(1, std::memory_order_relaxed);
  Status status;
  status.rep_ = kRep;
  return status;
}

Status FailedPreconditionError(std::string message) {
  return {StatusCode::kFailedPrecondition, std::move(message)};
}

Status AbortedError(std::string message) {
  return {StatusCode::kAborted, std::move(message)};
}

Status UnimplementedError(std::string message) {
  return {StatusCode::kUnimplemented, std::move(message)};
}

Status InternalError(std::string message) {
  return {StatusCode::kInternal, std::move(message)};
}

Status UnavailableError(std::string message) {
  return {StatusCode::kUnavailable, std::move(message)};
}

Status DataLossError(std::string message) {
  return {StatusCode::kDataLoss, std::move(message)};
}

}  // namespace leadline
