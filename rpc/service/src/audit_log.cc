#include "leadline/rpc/audit_log.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "append_file.h"
#include "log_text.h"

namespace leadline::rpc {
namespace {

constexpr int64_t kSecondNanos = 1'000'000'000;
constexpr size_t kMaxAuditTextBytes = 128;

/// A stream that committed something before its rate ended is a change like any other.
bool WasTurnedAway(const CallRecord& record) {
  return record.sequence == 0 &&
         (record.refusal == Refusal::kUnauthenticated || record.refusal == Refusal::kPermission ||
          record.refusal == Refusal::kRate);
}

bool ChangesOrAdministers(const CallRecord& record) {
  return record.method != nullptr &&
         (record.method->rule.writes() || record.method->rule.role() == v1::ROLE_ADMIN);
}

std::string AuditLine(const CallEnd& end, int64_t unix_millis) {
  const CallRecord& record = end.record;
  nlohmann::ordered_json line;
  const auto add = [&line](const char* name, std::string_view text) {
    if (!text.empty()) {
      line[name] = std::string(text.substr(0, kMaxAuditTextBytes));
    }
  };
  add("time", Rfc3339(unix_millis));
  add("request_id", record.request_id.view());
  add("trace_id", record.trace.TraceIdHex());
  add("token", record.token_id);
  add("method", record.method != nullptr ? record.method->path : "");
  add("collection", record.collection);
  add("transport", TransportName(record.transport));
  add("peer", record.peer ? record.peer() : "");
  add("code", StatusCodeName(end.status.code()));
  add("field", end.status.field());
  if (record.sequence != 0) {
    line["sequence"] = record.sequence;
    line["count"] = record.count;
  }
  line["duration_us"] = end.total_nanos / 1000;
  return line.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

AuditLog::AuditLog(AuditLogOptions options, Clock* clock, Logger* logger,
                   std::unique_ptr<AppendFile> file)
    : options_(std::move(options)),
      clock_(clock),
      logger_(logger),
      file_(std::move(file)),
      second_began_nanos_(clock->MonotonicNanos()) {}

AuditLog::~AuditLog() {
  uint64_t untold = 0;
  {
    MutexLock lock(&mutex_);
    untold = std::exchange(untold_, 0);
  }
  WriteLeftOut(untold);
}

Result<std::unique_ptr<AuditLog>> AuditLog::Open(const AuditLogOptions& options, Clock* clock,
                                                 Logger* logger) {
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<AppendFile> file, AppendFile::Open(options.path));
  return std::unique_ptr<AuditLog>(new AuditLog(options, clock, logger, std::move(file)));
}

void AuditLog::Ended(const CallEnd& end) {
  if (WasTurnedAway(end.record)) {
    if (!TakeRefusal()) {
      return;
    }
  } else if (!ChangesOrAdministers(end.record)) {
    return;
  }
  Write(AuditLine(end, clock_->UnixMillis()));
}

uint64_t AuditLog::TakeUntold(int64_t now_nanos) {
  if (now_nanos - second_began_nanos_ < kSecondNanos) {
    return 0;
  }
  second_began_nanos_ = now_nanos;
  noted_ = 0;
  return std::exchange(untold_, 0);
}

bool AuditLog::TakeRefusal() {
  uint64_t untold = 0;
  bool noted = false;
  {
    MutexLock lock(&mutex_);
    untold = TakeUntold(clock_->MonotonicNanos());
    noted = noted_ < options_.refusals_per_second;
    if (noted) {
      ++noted_;
    } else {
      ++untold_;
      left_out_.fetch_add(1);
    }
  }
  WriteLeftOut(untold);
  return noted;
}

void AuditLog::Tick() {
  uint64_t untold = 0;
  {
    MutexLock lock(&mutex_);
    untold = TakeUntold(clock_->MonotonicNanos());
  }
  WriteLeftOut(untold);
}

void AuditLog::WriteLeftOut(uint64_t count) {
  if (count > 0) {
    Write(R"({"time":")" + Rfc3339(clock_->UnixMillis()) +
          R"(","event":"refusals_left_out","count":)" + std::to_string(count) + "}\n");
  }
}

void AuditLog::Write(const std::string& line) {
  Status written;
  {
    ReaderLock lock(&file_mutex_);
    written = file_->Append(line);
  }
  if (written.ok()) {
    failing_.store(false);
    return;
  }
  failures_.fetch_add(1);
  if (!failing_.exchange(true) && logger_ != nullptr) {
    logger_->Log(LogLevel::kError, "audit log cannot be written; calls go on without it",
                 {{"error", written.message()}});
  }
}

Status AuditLog::Reopen() {
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<AppendFile> file, AppendFile::Open(options_.path));
  WriterLock lock(&file_mutex_);
  file_.swap(file);
  return {};
}

}  // namespace leadline::rpc
