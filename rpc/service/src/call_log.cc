#include "call_log.h"

namespace leadline::rpc {
namespace {

/// Messages of these name files, invariants and exceptions. Others repeat what the caller sent, and
/// are for the caller alone.
bool IsInternal(StatusCode code) {
  return code == StatusCode::kInternal || code == StatusCode::kDataLoss ||
         code == StatusCode::kUnknown;
}

/// What may be told of `status`: values come last in a message, and the id of a record is the
/// caller's.
std::string_view Told(const Status& status) {
  const std::string_view message = status.message();
  return IsInternal(status.code()) ? message.substr(0, message.find(" id=")) : std::string_view();
}

bool MayBeSlow(const CallRecord& record) {
  return record.method != nullptr && record.method->shape == CallShape::kUnary &&
         record.method->rule.work() != v1::WORK_LONG;
}

}  // namespace

void CallLog::Ended(const CallEnd& end) {
  if (logger_ == nullptr) {
    return;
  }
  if (IsInternal(end.status.code())) {
    Log(LogLevel::kError, "call failed inside", end);
  } else if (end.total_nanos > slow_nanos_ && MayBeSlow(end.record)) {
    Log(LogLevel::kWarning, "slow call", end);
  } else if (logger_->Enabled(LogLevel::kDebug)) {
    Log(LogLevel::kDebug, "call", end);
  }
}

void CallLog::Log(LogLevel level, std::string_view message, const CallEnd& end) {
  const CallRecord& record = end.record;
  logger_->Log(level, message,
               {{"request_id", record.request_id.view()},
                {"trace_id", record.trace.TraceIdHex()},
                {"token", record.token_id},
                {"method", record.method != nullptr ? std::string_view(record.method->path) : ""},
                {"collection", record.collection},
                {"transport", TransportName(record.transport)},
                {"code", StatusCodeName(end.status.code())},
                {"error", Told(end.status)},
                {"queue_us", record.queue_nanos / 1000},
                {"work_us", record.work_nanos / 1000},
                {"total_us", end.total_nanos / 1000}});
}

}  // namespace leadline::rpc
