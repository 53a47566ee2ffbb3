// Work that outlives its call: its states, who sees it, what is kept of it and for how long.

#include "job_table.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "status_matchers.h"
#include "test_clock.h"

namespace leadline::rpc {
namespace {

using testing::StatusIs;

constexpr int64_t kMs = 1'000'000;

Caller Somebody(std::string token_id, v1::Role role = v1::ROLE_READ,
                std::vector<std::string> collections = {}) {
  const bool all = collections.empty();
  return {std::move(token_id), role, all, std::move(collections)};
}

/// A job that waits until it is let go or cancelled.
class Held {
 public:
  JobSpec Spec(const std::string& token_id = "me", const std::string& collection = "c",
               size_t bytes = 0) {
    JobSpec spec;
    spec.kind = v1::JOB_KIND_RUN;
    spec.collection = collection;
    spec.token_id = token_id;
    spec.bytes = bytes;
    spec.work = [this](JobProgress* progress) -> Result<JobReport> {
      progress->Begin("hold", 2);
      running_.store(true);
      while (!let_go_.load()) {
        if (progress->cancel()->cancelled()) {
          return CancelledError("stopped in the middle");
        }
        std::this_thread::yield();
      }
      progress->Done(2);
      return JobReport{"{\"a\":1}", {"{\"b\":0}", "{\"b\":1}", "{\"b\":2}"}, {"beware"}};
    };
    return spec;
  }

  void WaitUntilItRuns() const {
    while (!running_.load()) {
      std::this_thread::yield();
    }
  }

  void LetGo() { let_go_.store(true); }

 private:
  std::atomic<bool> running_{false};
  std::atomic<bool> let_go_{false};
};

JobSpec Quick(const std::string& token_id, JobReport report) {
  JobSpec spec;
  spec.kind = v1::JOB_KIND_GROUND;
  spec.token_id = token_id;
  spec.work = [report = std::move(report)](JobProgress*) -> Result<JobReport> { return report; };
  return spec;
}

class JobTableTest : public ::testing::Test {
 protected:
  std::string Start(JobSpec spec) {
    v1::Job job;
    EXPECT_OK(jobs_.Start(std::move(spec), &job));
    EXPECT_EQ(job.state(), v1::JOB_STATE_WAITING);
    return job.job();
  }

  v1::Job Get(const std::string& name, const Caller& caller) {
    v1::Job job;
    EXPECT_OK(jobs_.Find(name, caller, &job));
    return job;
  }

  v1::Job Ended(const std::string& name, const Caller& caller) {
    v1::Job job;
    do {
      std::this_thread::yield();
      job = Get(name, caller);
    } while (job.state() == v1::JOB_STATE_WAITING || job.state() == v1::JOB_STATE_RUNNING);
    return job;
  }

  void Pass(int64_t ms) { clock_.monotonic_nanos += ms * kMs; }

  testing::TestClock clock_;
  JobTable jobs_{&clock_, {.threads = 1, .max_waiting = 2}};
  const Caller me_ = Somebody("me");
};

TEST_F(JobTableTest, AJobWaitsRunsAndLeavesAReport) {
  Held first;
  Held second;
  const std::string a = Start(first.Spec());
  first.WaitUntilItRuns();
  const std::string b = Start(second.Spec());
  const v1::Job running = Get(a, me_);
  EXPECT_EQ(running.state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(running.step(), "hold");
  EXPECT_EQ(running.total(), 2U);
  EXPECT_FALSE(running.has_expires_in_ms());
  EXPECT_EQ(Get(b, me_).state(), v1::JOB_STATE_WAITING);
  v1::Report report;
  EXPECT_THAT(jobs_.Report(a, me_, 0, 10, &report),
              StatusIs(StatusCode::kFailedPrecondition, "not ended"));
  first.LetGo();
  const v1::Job done = Ended(a, me_);
  EXPECT_EQ(done.state(), v1::JOB_STATE_DONE);
  EXPECT_EQ(done.done(), 2U);
  EXPECT_EQ(done.lines(), 3U);
  EXPECT_EQ(done.warnings(0), "beware");
  EXPECT_GT(done.expires_in_ms(), JobTable::kKeptMs - 1000);
  second.WaitUntilItRuns();
  second.LetGo();
  EXPECT_EQ(Ended(b, me_).state(), v1::JOB_STATE_DONE);
  v1::ListJobsResponse list;
  jobs_.List(me_, &list);
  ASSERT_EQ(list.jobs_size(), 2);
  EXPECT_EQ(list.jobs(0).job(), b) << "newest first";
}

TEST_F(JobTableTest, AReportComesInPages) {
  const std::string name = Start(Quick("me", {"{}", {"{\"b\":0}", "{\"b\":1}", "{\"b\":2}"}, {}}));
  Ended(name, me_);
  v1::Report first;
  ASSERT_OK(jobs_.Report(name, me_, 0, 2, &first));
  EXPECT_EQ(first.summary(), "{}");
  ASSERT_EQ(first.lines_size(), 2);
  EXPECT_EQ(first.next_offset(), 2U);
  v1::Report second;
  ASSERT_OK(jobs_.Report(name, me_, first.next_offset(), 2, &second));
  EXPECT_EQ(second.summary(), "") << "on the first page only";
  ASSERT_EQ(second.lines_size(), 1);
  EXPECT_EQ(second.lines(0).value(), "{\"b\":2}");
  EXPECT_FALSE(second.has_next_offset());
  v1::Report beyond;
  ASSERT_OK(jobs_.Report(name, me_, 4'000'000'000U, 2, &beyond));
  EXPECT_EQ(beyond.lines_size(), 0);
  v1::Report none;
  ASSERT_OK(jobs_.Report(name, me_, 0, 0, &none));
  EXPECT_EQ(none.lines_size(), 0);
  EXPECT_EQ(none.next_offset(), 0U);
  EXPECT_TRUE(none.has_next_offset());
}

TEST_F(JobTableTest, LongLinesComeFewAtATimeAndTooLongOnesNever) {
  const std::string half(JobTable::kMaxPageBytes / 2 + 1, 'x');
  const std::string name = Start(Quick("me", {"", {half, half, half}, {}}));
  Ended(name, me_);
  v1::Report page;
  ASSERT_OK(jobs_.Report(name, me_, 0, 10, &page));
  EXPECT_EQ(page.lines_size(), 1);
  EXPECT_EQ(page.next_offset(), 1U);
  const std::string too_long =
      Start(Quick("me", {"", {std::string(JobTable::kMaxLineBytes + 1, 'x')}, {}}));
  const v1::Job failed = Ended(too_long, me_);
  EXPECT_EQ(failed.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(failed.error().code(), "RESOURCE_EXHAUSTED");
  std::vector<std::string> many(JobTable::kMaxReportBytes / half.size() + 1, half);
  const std::string too_large = Start(Quick("me", {"", std::move(many), {}}));
  EXPECT_EQ(Ended(too_large, me_).error().code(), "RESOURCE_EXHAUSTED");
}

TEST_F(JobTableTest, CancelEndsAJobThatWaitsAtOnceAndOneThatRunsSoon) {
  Held first;
  Held second;
  const std::string a = Start(first.Spec());
  first.WaitUntilItRuns();
  const std::string b = Start(second.Spec());
  v1::Job job;
  ASSERT_OK(jobs_.Cancel(b, me_, &job));
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(job.error().code(), "CANCELLED");
  ASSERT_OK(jobs_.Cancel(a, me_, &job));
  EXPECT_EQ(Ended(a, me_).state(), v1::JOB_STATE_CANCELLED);
  ASSERT_OK(jobs_.Cancel(a, me_, &job));
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLED) << "one that ended stays as it is";
  v1::Report report;
  EXPECT_THAT(jobs_.Report(a, me_, 0, 1, &report), StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(JobTableTest, WorkThatFailsOrThrowsLeavesItsErrorAndTheNextRuns) {
  JobSpec failing = Quick("me", {});
  failing.work = [](JobProgress*) -> Result<JobReport> {
    return InvalidFieldError("bad", "queries[3]", "x", "y");
  };
  const v1::Job failed = Ended(Start(std::move(failing)), me_);
  EXPECT_EQ(failed.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(failed.error().field(), "queries[3]");
  JobSpec throwing = Quick("me", {});
  throwing.work = [](JobProgress*) -> Result<JobReport> { throw std::bad_alloc(); };
  EXPECT_EQ(Ended(Start(std::move(throwing)), me_).error().code(), "RESOURCE_EXHAUSTED");
  EXPECT_EQ(Ended(Start(Quick("me", {})), me_).state(), v1::JOB_STATE_DONE);
}

TEST_F(JobTableTest, IsSeenByItsTokenAndByAdminsWithinTheirCollections) {
  Held held;
  const std::string name = Start(held.Spec("me", "c"));
  held.LetGo();
  Ended(name, me_);
  const std::string ground = Start(Quick("me", {}));
  Ended(ground, me_);

  const struct {
    Caller caller;
    bool sees_collection_job;
    bool sees_ground;
  } cases[] = {
      {me_, true, true},
      {Somebody("me", v1::ROLE_READ, {"c"}), true, true},
      {Somebody("me", v1::ROLE_READ, {"d"}), false, true},
      {Somebody("you"), false, false},
      {Somebody("you", v1::ROLE_WRITE, {"c"}), false, false},
      {Somebody("", v1::ROLE_READ), false, false},
      {Somebody("you", v1::ROLE_ADMIN), true, true},
      {Somebody("you", v1::ROLE_ADMIN, {"c"}), true, false},
      {Somebody("you", v1::ROLE_ADMIN, {"d"}), false, false},
  };

  for (const auto& one : cases) {
    SCOPED_TRACE(one.caller.token_id + " " + std::to_string(one.caller.role));
    v1::Job job;
    v1::Report report;
    const StatusCode of_run = one.sees_collection_job ? StatusCode::kOk : StatusCode::kNotFound;
    EXPECT_THAT(jobs_.Find(name, one.caller, &job), StatusIs(of_run));
    EXPECT_THAT(jobs_.Cancel(name, one.caller, &job), StatusIs(of_run));
    EXPECT_THAT(jobs_.Report(name, one.caller, 0, 1, &report), StatusIs(of_run));
    EXPECT_EQ(jobs_.Find(ground, one.caller, &job).ok(), one.sees_ground);
    v1::ListJobsResponse list;
    jobs_.List(one.caller, &list);
    EXPECT_EQ(list.jobs_size(), (one.sees_collection_job ? 1 : 0) + (one.sees_ground ? 1 : 0));
  }
}

TEST_F(JobTableTest, ExpiresAnHourAfterItsEnd) {
  Held held;
  const std::string name = Start(held.Spec());
  held.WaitUntilItRuns();
  held.LetGo();
  Ended(name, me_);
  Pass(JobTable::kKeptMs - 1000);
  jobs_.Tick();
  EXPECT_LE(Get(name, me_).expires_in_ms(), 1000);
  Pass(1001);
  v1::Job job;
  EXPECT_THAT(jobs_.Find(name, me_, &job), StatusIs(StatusCode::kNotFound)) << "before a tick too";
  v1::ListJobsResponse list;
  jobs_.List(me_, &list);
  EXPECT_EQ(list.jobs_size(), 0);
  EXPECT_NE(jobs_.Version(name), 0U);
  jobs_.Tick();
  EXPECT_EQ(jobs_.Version(name), 0U) << "forgotten";
}

TEST_F(JobTableTest, WhatRunsForAnHourIsEnded) {
  Held held;
  const std::string name = Start(held.Spec());
  held.WaitUntilItRuns();
  Pass(JobTable::kMaxRunMs + 1);
  EXPECT_EQ(Get(name, me_).state(), v1::JOB_STATE_RUNNING);
  jobs_.Tick();
  const v1::Job job = Ended(name, me_);
  EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(job.error().code(), "DEADLINE_EXCEEDED");
}

TEST_F(JobTableTest, OnlySoManyWait) {
  Held held;
  Start(held.Spec());
  held.WaitUntilItRuns();
  Held more;
  Start(more.Spec());
  const std::string last = Start(more.Spec());
  v1::Job job;
  EXPECT_THAT(jobs_.Start(more.Spec(), &job), StatusIs(StatusCode::kResourceExhausted, "limit=2"));
  ASSERT_OK(jobs_.Cancel(last, me_, &job));
  EXPECT_OK(jobs_.Start(more.Spec(), &job)) << "a cancelled one makes room";
  jobs_.Drain();
  jobs_.WaitForNone();
}

TEST_F(JobTableTest, ATokenKeepsSoManyAndItsOldestMakeRoomForItsOwnOnly) {
  const std::string theirs = Start(Quick("you", {}));
  Ended(theirs, Somebody("you"));
  std::vector<std::string> names;
  for (size_t i = 0; i <= JobTable::kMaxPerToken; ++i) {
    names.push_back(Start(Quick("me", {})));
    Ended(names.back(), me_);
  }
  v1::Job job;
  EXPECT_THAT(jobs_.Find(names[0], me_, &job), StatusIs(StatusCode::kNotFound));
  EXPECT_OK(jobs_.Find(names[1], me_, &job));
  EXPECT_OK(jobs_.Find(theirs, Somebody("you"), &job));
}

TEST_F(JobTableTest, TheTableIsBoundedInNumber) {
  const size_t tokens = JobTable::kMaxJobs / JobTable::kMaxPerToken;
  for (size_t t = 0; t < tokens; ++t) {
    const std::string token = "t" + std::to_string(t);
    for (size_t i = 0; i < JobTable::kMaxPerToken; ++i) {
      Ended(Start(Quick(token, {})), Somebody(token));
    }
  }
  v1::Job job;
  EXPECT_THAT(jobs_.Start(Quick("late", {}), &job),
              StatusIs(StatusCode::kResourceExhausted, "limits=32 a token, 256 in all"));
  EXPECT_OK(jobs_.Start(Quick("t0", {}), &job)) << "in the room of one of its own";
}

TEST_F(JobTableTest, TheTableIsBoundedInMemory) {
  Held held;
  const std::string large = Start(held.Spec("me", "c", JobTable::kMaxBytes));
  v1::Job job;
  EXPECT_THAT(jobs_.Start(Held().Spec("me", "c", 1), &job),
              StatusIs(StatusCode::kResourceExhausted, "268435456 bytes"));
  held.LetGo();
  Ended(large, me_);
  // Its input is gone, its report is small.
  Held next;
  const std::string again = Start(next.Spec("me", "c", JobTable::kMaxBytes));
  EXPECT_THAT(jobs_.Find(large, me_, &job), StatusIs(StatusCode::kNotFound));
  next.LetGo();
  Ended(again, me_);
}

TEST_F(JobTableTest, TellsOfChangesOnceAndOfProgressNotTooOften) {
  Held held;
  const std::string name = Start(held.Spec());
  held.WaitUntilItRuns();
  std::atomic<int> told{0};
  const auto tell = [&told] { ++told; };
  jobs_.WhenChanged(name, jobs_.Version(name) - 1, tell);
  EXPECT_EQ(told, 1) << "it has changed since";
  const uint64_t seen = jobs_.Version(name);
  jobs_.WhenChanged(name, seen, tell);
  EXPECT_EQ(told, 1);
  jobs_.Tick();
  EXPECT_EQ(told, 2) << "a sign of life";
  jobs_.Tick();
  EXPECT_EQ(told, 2) << "once";
  jobs_.WhenChanged(name, seen, tell);
  held.LetGo();
  Ended(name, me_);
  while (told < 3) {
    std::this_thread::yield();
  }
  EXPECT_GT(jobs_.Version(name), seen);
  jobs_.WhenChanged("nothing", 0, tell);
  EXPECT_EQ(told, 4) << "there is nothing to wait for";
}

TEST_F(JobTableTest, ProgressIsToldAtMostFiveTimesASecond) {
  JobSpec spec = Quick("me", {});
  std::atomic<int64_t> changes{0};
  JobTable* const jobs = &jobs_;
  std::string name;
  std::atomic<bool> named{false};
  spec.work = [&](JobProgress* progress) -> Result<JobReport> {
    while (!named.load()) {
      std::this_thread::yield();
    }
    const uint64_t before = jobs->Version(name);
    for (uint64_t done = 0; done < 1000; ++done) {
      clock_.monotonic_nanos += 10 * kMs;
      progress->Done(done);
    }
    changes = static_cast<int64_t>(jobs->Version(name) - before);
    return JobReport();
  };
  name = Start(std::move(spec));
  named = true;
  Ended(name, me_);
  EXPECT_GE(changes, 45);
  EXPECT_LE(changes, 50) << "10 s of progress";
}

TEST_F(JobTableTest, DrainEndsAllAndTakesNoMore) {
  Held first;
  Held second;
  const std::string a = Start(first.Spec());
  first.WaitUntilItRuns();
  const std::string b = Start(second.Spec());
  std::atomic<int> told{0};
  jobs_.WhenChanged(a, jobs_.Version(a), [&told] { ++told; });
  jobs_.Drain();
  jobs_.WaitForNone();
  EXPECT_GE(told, 1);
  EXPECT_EQ(Get(a, me_).state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Get(b, me_).state(), v1::JOB_STATE_CANCELLED);
  v1::Job job;
  EXPECT_THAT(jobs_.Start(Quick("me", {}), &job), StatusIs(StatusCode::kUnavailable));
}

TEST_F(JobTableTest, ManyCallersAtOnceLoseNothing) {
  std::vector<std::thread> threads;
  std::atomic<int> done{0};
  std::atomic<int> refused{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const Caller caller = Somebody("t" + std::to_string(t));
      for (int i = 0; i < 50; ++i) {
        v1::Job job;
        const Status started = jobs_.Start(Quick(caller.token_id, {"{}", {"{}"}, {}}), &job);
        if (!started.ok()) {
          EXPECT_EQ(started.code(), StatusCode::kResourceExhausted);
          ++refused;
          std::this_thread::yield();
          continue;
        }
        const std::string name = job.job();
        if (i % 3 == 0) {
          EXPECT_OK(jobs_.Cancel(name, caller, &job));
        }
        Ended(name, caller);
        jobs_.Tick();
        ++done;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(done + refused, 200);
  EXPECT_GT(done, 0);
}

}  // namespace
}  // namespace leadline::rpc
