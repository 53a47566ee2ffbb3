#include "rocksdb_status.h"

#include <string>

namespace leadline::kv {
namespace {

constexpr StatusCode kFileSystemCodes[] = {
    StatusCode::kPermissionDenied,   StatusCode::kNotFound,    StatusCode::kAlreadyExists,
    StatusCode::kResourceExhausted,  StatusCode::kUnavailable, StatusCode::kInvalidArgument,
    StatusCode::kFailedPrecondition, StatusCode::kDataLoss,
};

/// The code that ToRocks wrote into the message, or `otherwise`.
StatusCode EmbeddedCode(std::string_view text, StatusCode otherwise) {
  for (const StatusCode code : kFileSystemCodes) {
    const std::string marker = std::string(StatusCodeName(code)) + ": ";
    if (text.find(marker) != std::string_view::npos) {
      return code;
    }
  }
  return otherwise;
}

StatusCode CodeOfIoError(const rocksdb::Status& status, std::string_view text) {
  if (status.subcode() == rocksdb::Status::SubCode::kNoSpace ||
      status.subcode() == rocksdb::Status::SubCode::kSpaceLimit) {
    return StatusCode::kResourceExhausted;
  }
  const StatusCode code = EmbeddedCode(text, StatusCode::kUnavailable);
  // RocksDB looks only for files that its manifest names: a missing one is lost data.
  return code == StatusCode::kNotFound ||
                 status.subcode() == rocksdb::Status::SubCode::kPathNotFound
             ? StatusCode::kDataLoss
             : code;
}

/// RocksDB also calls it corruption when it could not look at a file that its manifest names. That
/// is damage only where something is missing or wrong as well. Of a read that failed in its
/// checksum pass it drops the reason.
StatusCode CodeOfCorruption(std::string_view text) {
  if (text.find("file read failed") != std::string_view::npos) {
    return StatusCode::kUnavailable;
  }
  const StatusCode code = EmbeddedCode(text, StatusCode::kDataLoss);
  const bool passing = code == StatusCode::kUnavailable || code == StatusCode::kResourceExhausted ||
                       code == StatusCode::kPermissionDenied;
  return passing && text.find("mismatch") == std::string_view::npos ? code : StatusCode::kDataLoss;
}

StatusCode CodeOf(const rocksdb::Status& status, std::string_view text) {
  switch (status.code()) {
    case rocksdb::Status::Code::kOk:
      return StatusCode::kOk;
    case rocksdb::Status::Code::kNotFound:
      return StatusCode::kNotFound;
    case rocksdb::Status::Code::kCorruption:
      return CodeOfCorruption(text);
    case rocksdb::Status::Code::kNotSupported:
      return StatusCode::kUnimplemented;
    case rocksdb::Status::Code::kInvalidArgument:
      // RocksDB also wraps a failed read of CURRENT so. It explains one that succeeds when tried
      // again with direct I/O, which is never asked for here.
      return EmbeddedCode(text, text.find("Direct I/O is not supported") == std::string_view::npos
                                    ? StatusCode::kInvalidArgument
                                    : StatusCode::kUnavailable);
    case rocksdb::Status::Code::kIOError:
      return CodeOfIoError(status, text);
    case rocksdb::Status::Code::kIncomplete:
    case rocksdb::Status::Code::kAborted:
    case rocksdb::Status::Code::kBusy:
    case rocksdb::Status::Code::kTryAgain:
    case rocksdb::Status::Code::kTimedOut:
      return StatusCode::kAborted;
    case rocksdb::Status::Code::kShutdownInProgress:
      return StatusCode::kFailedPrecondition;
    default:
      return StatusCode::kUnknown;
  }
}

}  // namespace

rocksdb::IOStatus ToRocks(const Status& status) {
  const std::string text = status.ok() ? std::string() : status.ToString();
  switch (status.code()) {
    case StatusCode::kOk:
      return rocksdb::IOStatus::OK();
    case StatusCode::kNotFound:
      return rocksdb::IOStatus::PathNotFound(text);
    case StatusCode::kResourceExhausted:
      return rocksdb::IOStatus::NoSpace(text);
    case StatusCode::kDataLoss:
      return rocksdb::IOStatus::Corruption(text);
    default:
      return rocksdb::IOStatus::IOError(text);
  }
}

Status FromRocks(const rocksdb::Status& status, std::string_view what) {
  if (status.ok()) {
    return {};
  }
  const char* state = status.getState();
  const std::string_view text = state != nullptr ? state : "";
  return Status(CodeOf(status, text), std::string(what) + ": " + status.ToString());
}

}  // namespace leadline::kv
