#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/clock.h"
#include "leadline/core/executor.h"
#include "leadline/core/mutex.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/rpc/call_context.h"
#include "leadline/v1/evaluation.pb.h"

namespace leadline::rpc {

/// What a job leaves behind: JSON objects, and what their reader must know first.
struct JobReport {
  std::string summary;  ///< may be empty
  std::vector<std::string> lines;
  std::vector<std::string> warnings;
};

/// What the work of a job tells and asks. Thread-safe.
class JobProgress {
 public:
  virtual ~JobProgress() = default;

  /// `step` is done `total` times from now on.
  virtual void Begin(std::string_view step, uint64_t total) = 0;
  virtual void Done(uint64_t done) = 0;
  /// Fires when the work should end early.
  [[nodiscard]] virtual const CancelToken* cancel() const = 0;
};

struct JobSpec {
  v1::JobKind kind = v1::JOB_KIND_UNSPECIFIED;
  std::string collection;  ///< empty where there is none
  std::string token_id;    ///< of who starts it; empty where no token is asked for
  size_t bytes = 0;        ///< of memory that `work` holds
  std::function<Result<JobReport>(JobProgress*)> work;
};

struct JobTableOptions {
  size_t threads = 1;       ///< jobs at a time
  size_t max_waiting = 16;  ///< jobs that wait for a thread
};

/// Work that outlives the call that started it, and its result, by a name that cannot be guessed.
/// Thread-safe. The destructor ends what runs and waits for that. All methods that take a caller
/// answer kNotFound for what the caller may not see: a job of another token, unless the caller is
/// an admin, and any job of a collection that the caller may not touch.
class JobTable {
 public:
  static constexpr size_t kMaxJobs = 256;               ///< kept, whatever their state
  static constexpr size_t kMaxPerToken = 32;            ///< of these, started by one token
  static constexpr size_t kMaxBytes = 256U << 20;       ///< of what waits, runs and was reported
  static constexpr size_t kMaxReportBytes = 64U << 20;  ///< of one report
  static constexpr size_t kMaxLineBytes = 7U << 20;     ///< of its summary and of each line
  static constexpr size_t kMaxPageBytes = 4U << 20;     ///< of lines on a page of several
  static constexpr int64_t kKeptMs = 3'600'000;         ///< after the end
  static constexpr int64_t kMaxRunMs = 3'600'000;       ///< one that takes longer is ended
  static constexpr int64_t kTellEveryMs = 200;          ///< of progress; the end is told at once

  JobTable(Clock* clock, const JobTableOptions& options);
  ~JobTable();

  JobTable(const JobTable&) = delete;
  JobTable& operator=(const JobTable&) = delete;

  /// Takes the room of the token's own jobs that ended, oldest first, where there is none else.
  /// kResourceExhausted where that is not enough or too many wait; kUnavailable after Drain.
  Status Start(JobSpec spec, v1::Job* job);

  Status Find(const std::string& name, const Caller& caller, v1::Job* job);
  /// Newest first.
  void List(const Caller& caller, v1::ListJobsResponse* jobs);
  /// Ends a job that waits at once, one that runs when it next looks.
  Status Cancel(const std::string& name, const Caller& caller, v1::Job* job);
  /// At most `limit` lines from `offset` on; the summary on the first page. kFailedPrecondition
  /// unless the job is done.
  Status Report(const std::string& name, const Caller& caller, size_t offset, size_t limit,
                v1::Report* report);

  /// The number of changes that a job has seen; 0 where there is none.
  uint64_t Version(const std::string& name);
  /// Calls `go` once: now where the job's version is not `seen`, else when it has changed, at the
  /// next Tick or Drain, whichever comes first. On any thread, without locks.
  void WhenChanged(const std::string& name, uint64_t seen, std::function<void()> go);

  /// Forgets what has expired, ends what runs too long, and calls all who wait for changes. Called
  /// every second or so.
  void Tick();
  /// Ends all jobs, and takes no more.
  void Drain();
  /// Waits until no job runs.
  void WaitForNone();

 private:
  struct Job;
  class Progress;
  using JobPtr = std::shared_ptr<Job>;
  using Waiters = std::vector<std::function<void()>>;

  static bool MaySee(const Job& job, const Caller& caller);
  static void Call(const Waiters& waiters);
  /// Who waits for a change of the job, which has seen one.
  static Waiters Changed(Job* job, int64_t now);
  static Status CheckSizes(const JobReport& report);

  [[nodiscard]] int64_t Now() const { return clock_->MonotonicNanos(); }

  /// kNotFound.
  Result<JobPtr> Visible(const std::string& name, const Caller& caller) LEADLINE_REQUIRES(mutex_);
  void Describe(const Job& job, v1::Job* out) LEADLINE_REQUIRES(mutex_);
  [[nodiscard]] bool HasRoom(const std::string& token_id, size_t bytes) LEADLINE_REQUIRES(mutex_);
  /// False where the token has no job that ended. `dropped` is to be freed without the lock.
  bool DropOldestOf(const std::string& token_id, std::vector<JobPtr>* dropped)
      LEADLINE_REQUIRES(mutex_);
  /// Moves an ended job or one that waits out of the table.
  void Forget(const JobPtr& job) LEADLINE_REQUIRES(mutex_);
  /// Asks a job to end, and ends one that waits; what that frees goes into `dropped`.
  Waiters Stop(const JobPtr& job, std::vector<JobPtr>* dropped) LEADLINE_REQUIRES(mutex_);
  /// The end of a job that ran: what it leaves behind, or why it failed.
  Waiters End(Job* job, Result<JobReport> result, std::vector<JobPtr>* dropped)
      LEADLINE_REQUIRES(mutex_);
  /// Runs jobs until none waits.
  void RunAll();

  Clock* const clock_;
  const JobTableOptions options_;
  Mutex mutex_;
  CondVar none_runs_;
  std::map<std::string, JobPtr> jobs_ LEADLINE_GUARDED_BY(mutex_);
  std::deque<JobPtr> waiting_ LEADLINE_GUARDED_BY(mutex_);
  size_t running_ LEADLINE_GUARDED_BY(mutex_) = 0;  // threads that run jobs
  size_t bytes_ LEADLINE_GUARDED_BY(mutex_) = 0;
  uint64_t started_ LEADLINE_GUARDED_BY(mutex_) = 0;
  bool draining_ LEADLINE_GUARDED_BY(mutex_) = false;
  std::unique_ptr<Executor> threads_;  // last: its threads use the members above
};

}  // namespace leadline::rpc
