#pragma once

/// Who changed what, for those who answer for the data: one JSON object a line.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "leadline/core/clock.h"
#include "leadline/core/mutex.h"
#include "leadline/core/status.h"
#include "leadline/rpc/call_record.h"
#include "leadline/rpc/logger.h"

namespace leadline::rpc {

class AppendFile;

struct AuditLogOptions {
  /// Created with mode 0600 where it is missing, and only ever appended to.
  std::string path;
  /// Lines a second about calls that were turned away, so that nobody can fill the disk by them. A
  /// line {"event":"refusals_left_out","count":N} stands for the others.
  uint64_t refusals_per_second = 10;
};

/// Notes every call of a method that writes or asks for the role admin, and every call that was
/// turned away for its credentials or its rate. Names the token by its id, never anything that the
/// call carried. A line that cannot be written is counted and logged; the call goes on.
/// Thread-safe.
class AuditLog final : public CallObserver {
 public:
  /// I/O errors where the file cannot be opened. `clock` and `logger` must outlive it.
  static Result<std::unique_ptr<AuditLog>> Open(const AuditLogOptions& options, Clock* clock,
                                                Logger* logger);
  ~AuditLog() override;

  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  void Ended(const CallEnd& end) override;

  /// Opens the path again, after whoever rotates logs has renamed the file. Where that fails the
  /// file that is open stays in use.
  Status Reopen();

  /// Says how many refusals were left out in a second that is over; to be called every second or
  /// so.
  void Tick();

  /// Lines that could not be written.
  [[nodiscard]] uint64_t failures() const { return failures_.load(); }

  /// Calls that were turned away and have no line.
  [[nodiscard]] uint64_t left_out() const { return left_out_.load(); }

 private:
  AuditLog(AuditLogOptions options, Clock* clock, Logger* logger, std::unique_ptr<AppendFile> file);

  /// True where one more refusal may be noted in this second.
  bool TakeRefusal();
  /// Refusals of seconds before `now_nanos` that nobody was told of; they count as told.
  uint64_t TakeUntold(int64_t now_nanos) LEADLINE_REQUIRES(mutex_);
  void WriteLeftOut(uint64_t count);
  void Write(const std::string& line);

  const AuditLogOptions options_;
  Clock* const clock_;
  Logger* const logger_;
  SharedMutex file_mutex_;  // shared to write, exclusive to put another file in its place
  std::unique_ptr<AppendFile> file_ LEADLINE_GUARDED_BY(file_mutex_);
  Mutex mutex_;
  int64_t second_began_nanos_ LEADLINE_GUARDED_BY(mutex_) = 0;
  uint64_t noted_ LEADLINE_GUARDED_BY(mutex_) = 0;   // refusals with a line in this second
  uint64_t untold_ LEADLINE_GUARDED_BY(mutex_) = 0;  // without one, since the last line that says
  std::atomic<uint64_t> failures_{0};
  std::atomic<uint64_t> left_out_{0};
  std::atomic<bool> failing_{false};  // so that a full disk is logged once, not with every call
};

}  // namespace leadline::rpc
