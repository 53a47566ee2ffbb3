#include "job_table.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <new>
#include <utility>

#include "leadline/rpc/error_wire.h"
#include "random_name.h"

namespace leadline::rpc {
namespace {

constexpr size_t kJobNameBytes = 16;
constexpr int64_t kJobNanosPerMs = 1'000'000;

Status NoSuchJob() {
  return NotFoundError("no such evaluation; it may have been forgotten");
}

bool HasEnded(v1::JobState state) {
  return state == v1::JOB_STATE_DONE || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

Status ReportPartTooLarge(std::string_view what, size_t bytes, size_t limit) {
  return ResourceExhaustedError(std::string(what) + " is too large: " + std::to_string(bytes) +
                                " bytes, limit=" + std::to_string(limit));
}

size_t ReportBytes(const JobReport& report) {
  size_t bytes = report.summary.size();
  for (const auto* texts : {&report.lines, &report.warnings}) {
    for (const std::string& text : *texts) {
      bytes += sizeof(std::string) + text.size();
    }
  }
  return bytes;
}

/// What the work throws becomes its error: one job must not end the others.
Result<JobReport> RunContained(const std::function<Result<JobReport>(JobProgress*)>& work,
                               JobProgress* progress) {
  try {
    return work(progress);
  } catch (const std::bad_alloc&) {
    return OutOfMemoryError();
  } catch (const std::exception& error) {
    return InternalError(std::string("unexpected exception: ") + error.what());
  }
}

}  // namespace

/// Guarded by the table's mutex, but for `cancel` and what never changes.
struct JobTable::Job {
  std::string name;
  v1::JobKind kind = v1::JOB_KIND_UNSPECIFIED;
  std::string collection;
  std::string token_id;
  uint64_t order = 0;
  int64_t created_unix_ms = 0;
  CancelToken cancel;

  std::function<Result<JobReport>(JobProgress*)> work;  // until it runs
  v1::JobState state = v1::JOB_STATE_WAITING;
  std::string step;
  uint64_t done = 0;
  uint64_t total = 0;
  v1::Error error;
  JobReport report;
  size_t bytes = 0;
  int64_t started_nanos = 0;
  int64_t expires_nanos = 0;
  bool ran_too_long = false;
  uint64_t version = 1;
  int64_t told_nanos = 0;
  Waiters waiters;
};

class JobTable::Progress final : public JobProgress {
 public:
  Progress(JobTable* table, JobPtr job) : table_(table), job_(std::move(job)) {}

  void Begin(std::string_view step, uint64_t total) override {
    Change([&](Job* job) {
      job->step = step;
      job->done = 0;
      job->total = total;
    });
  }

  void Done(uint64_t done) override {
    Change([done](Job* job) { job->done = done; });
  }

  [[nodiscard]] const CancelToken* cancel() const override { return &job_->cancel; }

 private:
  template <typename Edit>
  void Change(const Edit& edit) {
    Waiters waiters;
    {
      MutexLock lock(&table_->mutex_);
      edit(job_.get());
      const int64_t now = table_->Now();
      if (now - job_->told_nanos >= kTellEveryMs * kJobNanosPerMs) {
        waiters = Changed(job_.get(), now);
      }
    }
    Call(waiters);
  }

  JobTable* const table_;
  const JobPtr job_;
};

JobTable::JobTable(Clock* clock, const JobTableOptions& options)
    : clock_(clock), options_(options), threads_(NewThreadPool(options.threads)) {}

JobTable::~JobTable() {
  Drain();
  WaitForNone();
}

bool JobTable::MaySee(const Job& job, const Caller& caller) {
  const bool admin = caller.role >= v1::ROLE_ADMIN;
  if (job.collection.empty()) {
    return caller.token_id == job.token_id || (admin && caller.all_collections);
  }
  return caller.MayTouch(job.collection) && (caller.token_id == job.token_id || admin);
}

void JobTable::Call(const Waiters& waiters) {
  for (const auto& go : waiters) {
    go();
  }
}

JobTable::Waiters JobTable::Changed(Job* job, int64_t now) {
  ++job->version;
  job->told_nanos = now;
  return std::exchange(job->waiters, {});
}

Result<JobTable::JobPtr> JobTable::Visible(const std::string& name, const Caller& caller) {
  const auto found = jobs_.find(name);
  if (found == jobs_.end() || !MaySee(*found->second, caller)) {
    return NoSuchJob();
  }
  const Job& job = *found->second;
  return HasEnded(job.state) && job.expires_nanos <= Now() ? Result<JobPtr>(NoSuchJob())
                                                           : Result<JobPtr>(found->second);
}

void JobTable::Describe(const Job& job, v1::Job* out) {
  out->set_job(job.name);
  out->set_kind(job.kind);
  out->set_collection(job.collection);
  out->set_state(job.state);
  out->set_step(job.step);
  out->set_done(job.done);
  out->set_total(job.total);
  if (!job.error.code().empty()) {
    *out->mutable_error() = job.error;
  }
  for (const std::string& warning : job.report.warnings) {
    out->add_warnings(warning);
  }
  out->set_lines(job.report.lines.size());
  out->set_created_unix_ms(job.created_unix_ms);
  if (HasEnded(job.state)) {
    out->set_expires_in_ms(std::max<int64_t>(0, (job.expires_nanos - Now()) / kJobNanosPerMs));
  }
}

bool JobTable::HasRoom(const std::string& token_id, size_t bytes) {
  const auto own = std::count_if(jobs_.begin(), jobs_.end(), [&token_id](const auto& entry) {
    return entry.second->token_id == token_id;
  });
  return jobs_.size() < kMaxJobs && static_cast<size_t>(own) < kMaxPerToken &&
         bytes_ + bytes <= kMaxBytes;
}

void JobTable::Forget(const JobPtr& job) {
  bytes_ -= job->bytes;
  job->bytes = 0;
  jobs_.erase(job->name);
}

bool JobTable::DropOldestOf(const std::string& token_id, std::vector<JobPtr>* dropped) {
  JobPtr oldest;
  for (const auto& [name, job] : jobs_) {
    if (job->token_id == token_id && HasEnded(job->state) &&
        (oldest == nullptr || job->order < oldest->order)) {
      oldest = job;
    }
  }
  if (oldest == nullptr) {
    return false;
  }
  Forget(oldest);
  dropped->push_back(std::move(oldest));
  return true;
}

Status JobTable::Start(JobSpec spec, v1::Job* out) {
  LEADLINE_ASSIGN_OR_RETURN(std::string name, RandomHex(kJobNameBytes));
  auto job = std::make_shared<Job>();
  job->name = std::move(name);
  job->kind = spec.kind;
  job->collection = std::move(spec.collection);
  job->token_id = std::move(spec.token_id);
  job->bytes = spec.bytes;
  job->work = std::move(spec.work);
  job->created_unix_ms = clock_->UnixMillis();
  std::vector<JobPtr> dropped;  // freed without the lock
  MutexLock lock(&mutex_);
  if (draining_) {
    return UnavailableError("the server is stopping");
  }
  if (running_ >= options_.threads && waiting_.size() >= options_.max_waiting) {
    return ResourceExhaustedError("too many evaluations wait; try again later: limit=" +
                                  std::to_string(options_.max_waiting));
  }
  while (!HasRoom(job->token_id, job->bytes)) {
    if (!DropOldestOf(job->token_id, &dropped)) {
      return ResourceExhaustedError(
          "too many evaluations are kept: limits=" + std::to_string(kMaxPerToken) + " a token, " +
          std::to_string(kMaxJobs) + " in all, " + std::to_string(kMaxBytes) + " bytes");
    }
  }
  job->order = ++started_;
  bytes_ += job->bytes;
  jobs_[job->name] = job;
  waiting_.push_back(job);
  Describe(*job, out);
  if (running_ < options_.threads) {
    ++running_;
    threads_->Schedule([this] { RunAll(); });
  }
  return {};
}

Status JobTable::Find(const std::string& name, const Caller& caller, v1::Job* job) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(const JobPtr found, Visible(name, caller));
  Describe(*found, job);
  return {};
}

void JobTable::List(const Caller& caller, v1::ListJobsResponse* jobs) {
  MutexLock lock(&mutex_);
  std::vector<const Job*> visible;
  for (const auto& [name, job] : jobs_) {
    if (MaySee(*job, caller) && !(HasEnded(job->state) && job->expires_nanos <= Now())) {
      visible.push_back(job.get());
    }
  }
  std::sort(visible.begin(), visible.end(),
            [](const Job* a, const Job* b) { return a->order > b->order; });
  for (const Job* job : visible) {
    Describe(*job, jobs->add_jobs());
  }
}

JobTable::Waiters JobTable::Stop(const JobPtr& job, std::vector<JobPtr>* dropped) {
  job->cancel.Cancel();
  if (job->state != v1::JOB_STATE_WAITING) {
    return {};
  }
  waiting_.erase(std::find(waiting_.begin(), waiting_.end(), job));
  // What the work holds is freed without the lock, by somebody who owns a job of its own.
  auto rest = std::make_shared<Job>();
  rest->work = std::move(job->work);
  job->work = nullptr;
  dropped->push_back(std::move(rest));
  return End(job.get(), CancelledError("cancelled before it ran"), dropped);
}

Status JobTable::Cancel(const std::string& name, const Caller& caller, v1::Job* job) {
  std::vector<JobPtr> dropped;
  Waiters waiters;
  {
    MutexLock lock(&mutex_);
    LEADLINE_ASSIGN_OR_RETURN(const JobPtr found, Visible(name, caller));
    waiters = Stop(found, &dropped);
    Describe(*found, job);
  }
  Call(waiters);
  return {};
}

Status JobTable::Report(const std::string& name, const Caller& caller, size_t offset, size_t limit,
                        v1::Report* report) {
  MutexLock lock(&mutex_);
  LEADLINE_ASSIGN_OR_RETURN(const JobPtr job, Visible(name, caller));
  if (job->state != v1::JOB_STATE_DONE) {
    return FailedPreconditionError(HasEnded(job->state)
                                       ? "the evaluation has no report: " + job->error.message()
                                       : "the evaluation has not ended");
  }
  report->set_job(job->name);
  report->set_kind(job->kind);
  if (offset == 0) {
    report->set_summary(job->report.summary);
  }
  const std::vector<std::string>& lines = job->report.lines;
  size_t next = std::min(offset, lines.size());
  const size_t end = std::min(lines.size(), next + limit);
  for (size_t bytes = 0; next < end; ++next) {
    bytes += lines[next].size();
    if (bytes > kMaxPageBytes && report->lines_size() > 0) {
      break;
    }
    report->add_lines()->set_value(lines[next]);
  }
  if (next < lines.size()) {
    report->set_next_offset(static_cast<uint32_t>(next));
  }
  return {};
}

uint64_t JobTable::Version(const std::string& name) {
  MutexLock lock(&mutex_);
  const auto found = jobs_.find(name);
  return found != jobs_.end() ? found->second->version : 0;
}

void JobTable::WhenChanged(const std::string& name, uint64_t seen, std::function<void()> go) {
  {
    MutexLock lock(&mutex_);
    const auto found = jobs_.find(name);
    if (!draining_ && found != jobs_.end() && found->second->version == seen) {
      found->second->waiters.push_back(std::move(go));
      return;
    }
  }
  go();
}

void JobTable::Tick() {
  std::vector<JobPtr> dropped;
  Waiters waiters;
  {
    MutexLock lock(&mutex_);
    const int64_t now = Now();
    std::vector<JobPtr> jobs;
    for (const auto& [name, job] : jobs_) {
      jobs.push_back(job);
    }
    for (const JobPtr& job : jobs) {
      std::move(job->waiters.begin(), job->waiters.end(), std::back_inserter(waiters));
      job->waiters.clear();
      if (job->state == v1::JOB_STATE_RUNNING &&
          now - job->started_nanos > kMaxRunMs * kJobNanosPerMs) {
        job->ran_too_long = true;
        job->cancel.Cancel();
      }
      if (HasEnded(job->state) && job->expires_nanos <= now) {
        Forget(job);
      }
    }
    dropped = std::move(jobs);
  }
  Call(waiters);
}

void JobTable::Drain() {
  std::vector<JobPtr> dropped;
  Waiters waiters;
  {
    MutexLock lock(&mutex_);
    draining_ = true;
    for (const auto& [name, job] : jobs_) {
      if (!HasEnded(job->state)) {
        const Waiters told = Stop(job, &dropped);
        waiters.insert(waiters.end(), told.begin(), told.end());
      }
      waiters.insert(waiters.end(), job->waiters.begin(), job->waiters.end());
      job->waiters.clear();
    }
  }
  Call(waiters);
}

void JobTable::WaitForNone() {
  MutexLock lock(&mutex_);
  while (running_ > 0) {
    none_runs_.Wait(&mutex_);
  }
}

Status JobTable::CheckSizes(const JobReport& report) {
  const size_t bytes = ReportBytes(report);
  if (bytes > kMaxReportBytes) {
    return ReportPartTooLarge("the report", bytes, kMaxReportBytes);
  }
  size_t longest = report.summary.size();
  for (const std::string& line : report.lines) {
    longest = std::max(longest, line.size());
  }
  return longest <= kMaxLineBytes
             ? OkStatus()
             : ReportPartTooLarge("a line of the report", longest, kMaxLineBytes);
}

JobTable::Waiters JobTable::End(Job* job, Result<JobReport> result, std::vector<JobPtr>* dropped) {
  bytes_ -= job->bytes;
  job->bytes = 0;
  Status status = result.ok() ? CheckSizes(*result) : result.status();
  const size_t bytes = status.ok() ? ReportBytes(*result) : 0;
  while (status.ok() && bytes_ + bytes > kMaxBytes && DropOldestOf(job->token_id, dropped)) {
  }
  if (status.ok() && bytes_ + bytes > kMaxBytes) {
    status = ReportPartTooLarge("what is kept of all evaluations", bytes_ + bytes, kMaxBytes);
  }
  if (status.ok()) {
    job->state = v1::JOB_STATE_DONE;
    job->report = *std::move(result);
    job->bytes = bytes;
    bytes_ += bytes;
  } else if (job->ran_too_long && status.code() == StatusCode::kCancelled) {
    job->state = v1::JOB_STATE_FAILED;
    job->error = WriteError(DeadlineExceededError("the evaluation took longer than " +
                                                  std::to_string(kMaxRunMs) + " ms"));
  } else {
    job->state =
        status.code() == StatusCode::kCancelled ? v1::JOB_STATE_CANCELLED : v1::JOB_STATE_FAILED;
    job->error = WriteError(status);
  }
  const int64_t now = Now();
  job->expires_nanos = now + kKeptMs * kJobNanosPerMs;
  return Changed(job, now);
}

void JobTable::RunAll() {
  for (;;) {
    JobPtr job;
    std::function<Result<JobReport>(JobProgress*)> work;
    Waiters waiters;
    {
      MutexLock lock(&mutex_);
      if (waiting_.empty()) {
        --running_;
        none_runs_.NotifyAll();
        return;
      }
      job = std::move(waiting_.front());
      waiting_.pop_front();
      work = std::exchange(job->work, nullptr);
      job->state = v1::JOB_STATE_RUNNING;
      job->started_nanos = Now();
      waiters = Changed(job.get(), job->started_nanos);
    }
    Call(waiters);
    Progress progress(this, job);
    Result<JobReport> result = RunContained(work, &progress);
    work = nullptr;
    std::vector<JobPtr> dropped;
    {
      MutexLock lock(&mutex_);
      waiters = End(job.get(), std::move(result), &dropped);
    }
    Call(waiters);
  }
}

}  // namespace leadline::rpc
