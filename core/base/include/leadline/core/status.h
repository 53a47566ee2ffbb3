#pragma once

/// Error model of Leadline: `Status` (outcome of a call) and `Result<T>` (value or outcome).
///
///   Result<SearchResponse> found = collection->Search(request);
///   if (!found.ok()) { log(found.status().ToString()); return; }
///   use(found->hits);
///
/// No call of a database or collection throws; parsing, embedding and what callers fill themselves
/// may throw std::bad_alloc. An outcome that nobody looked at is a bug: debug builds of the library
/// abort when an error is destroyed unread (`IgnoreError()` says it was meant).

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace leadline {

/// Numbers equal gRPC's canonical codes, so the service maps them by a cast. Never renumber.
enum class StatusCode : int {
  kOk = 0,
  kCancelled = 1,           ///< the caller's CancelToken fired
  kUnknown = 2,             ///< a foreign exception without a better class
  kInvalidArgument = 3,     ///< the caller's fault; nothing was changed
  kDeadlineExceeded = 4,    ///< no partial result is returned
  kNotFound = 5,            ///< a named thing does not exist
  kAlreadyExists = 6,       ///< a named thing exists already
  kPermissionDenied = 7,    ///< the handle or the file system forbids it
  kResourceExhausted = 8,   ///< a configured or physical limit: memory, disk, descriptors
  kFailedPrecondition = 9,  ///< the state must be fixed first (locked, latched, poisoned)
  kAborted = 10,            ///< gave way to a concurrent operation; retry helps
  kOutOfRange = 11,         ///< no call gives it
  kUnimplemented = 12,      ///< unknown required feature bit or unsupported combination
  kInternal = 13,           ///< a broken invariant of Leadline itself
  kUnavailable = 14,        ///< an I/O fault that may pass; retry helps
  kDataLoss = 15,           ///< bytes are wrong or missing
  kUnauthenticated = 16,    ///< used by the service only
};

/// Returns the canonical upper-case name, for example "INVALID_ARGUMENT".
std::string_view StatusCodeName(StatusCode code);

/// Outcome of a call. One word wide; OK allocates nothing. A copy never throws: without memory for
/// its own it shares what the original holds. Thread-compatible.
class [[nodiscard]] Status {
 public:
  /// Makes an OK status.
  Status() noexcept = default;
  Status(StatusCode code, std::string message);
  Status(const Status& other) noexcept;

  Status(Status&& other) noexcept : rep_(std::exchange(other.rep_, nullptr)) {}

  Status& operator=(const Status& other) noexcept;
  Status& operator=(Status&& other) noexcept;

  ~Status() {
    if (rep_ != nullptr) {
      Release();
    }
  }

  [[nodiscard]] bool ok() const noexcept {
    if (rep_ == nullptr) {
      return true;
    }
    MarkRead();
    return false;
  }

  [[nodiscard]] StatusCode code() const noexcept;
  /// Fixed text first, then field, value and limit. Empty when ok.
  [[nodiscard]] const std::string& message() const noexcept;
  /// Name of the offending field or flag, or empty.
  [[nodiscard]] const std::string& field() const noexcept;
  /// The limit that `field` broke, as text, or empty.
  [[nodiscard]] const std::string& limit() const noexcept;
  /// True where the same call may succeed later without any change by the caller.
  [[nodiscard]] bool retryable() const noexcept;
  /// "CODE_NAME: message", or "OK".
  [[nodiscard]] std::string ToString() const;

  /// Attaches what a machine needs to react to the error; returns *this. No effect when ok.
  Status& WithField(std::string field, std::string limit = {});
  /// Puts "context: " before the message; returns *this. No effect when ok.
  Status& WithContext(std::string_view context);

  /// Says that dropping this outcome is intended.
  void IgnoreError() const noexcept { MarkRead(); }

 private:
  friend Status OutOfMemoryError() noexcept;
  struct Rep;
  void MarkRead() const noexcept;
  void Release() noexcept;
  /// Gives this status a Rep that no other one uses.
  void Unshare();
  Rep* rep_ = nullptr;
};

Status OkStatus();
Status CancelledError(std::string message);
Status InvalidArgumentError(std::string message);
/// Error for one bad field: message is "`what`: field=`field` value=`value` limit=`limit`".
Status InvalidFieldError(std::string_view what, std::string_view field, std::string_view value,
                         std::string_view limit);
Status DeadlineExceededError(std::string message);
Status NotFoundError(std::string message);
Status AlreadyExistsError(std::string message);
Status PermissionDeniedError(std::string message);
Status ResourceExhaustedError(std::string message);
/// kResourceExhausted, "out of memory". Needs no memory, and may be dropped unread.
Status OutOfMemoryError() noexcept;
Status FailedPreconditionError(std::string message);
Status AbortedError(std::string message);
Status UnimplementedError(std::string message);
Status InternalError(std::string message);
Status UnavailableError(std::string message);
Status DataLossError(std::string message);

/// A value of type T, or the error that prevented it. Accessing the value of an error is undefined
/// in release and aborts in debug builds.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : rep_(std::move(value)) {}  // NOLINT(google-explicit-constructor)

  Result(Status status) : rep_(std::move(status)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const noexcept {
    if (const Status* s = std::get_if<Status>(&rep_)) {
      s->IgnoreError();
      return false;
    }
    return true;
  }

  /// The error, or OK when a value is held.
  [[nodiscard]] Status status() const& {
    const Status* s = std::get_if<Status>(&rep_);
    return s != nullptr ? *s : Status();
  }

  [[nodiscard]] Status status() && {
    Status* s = std::get_if<Status>(&rep_);
    return s != nullptr ? std::move(*s) : Status();
  }

  [[nodiscard]] T& value() & { return *std::get_if<T>(&rep_); }

  [[nodiscard]] const T& value() const& { return *std::get_if<T>(&rep_); }

  [[nodiscard]] T&& value() && { return std::move(*std::get_if<T>(&rep_)); }

  T& operator*() & { return value(); }

  const T& operator*() const& { return value(); }

  T&& operator*() && { return std::move(*this).value(); }

  T* operator->() { return std::get_if<T>(&rep_); }

  const T* operator->() const { return std::get_if<T>(&rep_); }

 private:
  std::variant<T, Status> rep_;
};

}  // namespace leadline

#define LEADLINE_CONCAT_INNER_(a, b) a##b
#define LEADLINE_CONCAT_(a, b) LEADLINE_CONCAT_INNER_(a, b)
/// Returns the error of `expr` from the enclosing function.
#define LEADLINE_RETURN_IF_ERROR(expr) \
  LEADLINE_RETURN_IF_ERROR_IMPL_(LEADLINE_CONCAT_(leadline_status_, __COUNTER__), expr)
#define LEADLINE_RETURN_IF_ERROR_IMPL_(status, expr) \
  do {                                               \
    ::leadline::Status status = (expr);              \
    if (!status.ok())                                \
      return status;                                 \
  } while (false)
/// Evaluates a Result<T>; returns its error or moves its value into `lhs`.
#define LEADLINE_ASSIGN_OR_RETURN(lhs, expr) \
  LEADLINE_ASSIGN_OR_RETURN_IMPL_(LEADLINE_CONCAT_(leadline_result_, __COUNTER__), lhs, expr)
#define LEADLINE_ASSIGN_OR_RETURN_IMPL_(result, lhs, expr) \
  auto result = (expr);                                    \
  if (!result.ok())                                        \
    return std::move(result).status();                     \
  lhs = std::move(result).value()
