// Work in a process of its own: what it writes arrives, and however it ends is an error, not an
// end.

#include "worker_process.h"

#include <cerrno>
#include <cstdlib>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <signal.h>

#include "status_matchers.h"

namespace leadline::eval {
namespace {

using testing::StatusIs;

std::unique_ptr<WorkerProcess> Start(const std::function<void(const WorkerOutput&)>& work) {
  Result<std::unique_ptr<WorkerProcess>> worker = WorkerProcess::Start("the work", work);
  EXPECT_OK(worker);
  return *std::move(worker);
}

/// What the end of a worker that writes nothing is called.
Status EndOf(const std::function<void()>& work) {
  const auto worker = Start([&](const WorkerOutput& /*out*/) { work(); });
  char byte = 0;
  return worker->Read(&byte, 1);
}

bool HasNoChild() {
  return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD;
}

TEST(WorkerProcess, BytesArriveWhateverTheirNumber) {
  const std::string sent(3'000'000, 'x');
  const auto worker = Start([&](const WorkerOutput& out) {
    out.Write("ab");
    out.Write(sent);
  });
  std::string received(2, '\0');
  ASSERT_OK(worker->Read(received.data(), 1));
  ASSERT_OK(worker->Read(received.data() + 1, 1));
  EXPECT_EQ(received, "ab");
  received.resize(sent.size());
  ASSERT_OK(worker->Read(received.data(), received.size()));
  EXPECT_EQ(received, sent);
  EXPECT_THAT(worker->Read(received.data(), 1),
              StatusIs(StatusCode::kInvalidArgument,
                       "the work: process ended early: field=exit code value=0"));
}

TEST(WorkerProcess, ACrashIsAnErrorThatNamesTheSignal) {
  EXPECT_THAT(
      EndOf([] { std::abort(); }),
      StatusIs(StatusCode::kInvalidArgument, "the work: process crashed: field=signal value=ABRT"));
  EXPECT_THAT(EndOf([] { ::raise(SIGSEGV); }),
              StatusIs(StatusCode::kInvalidArgument, "value=SEGV"));
  EXPECT_THAT(EndOf([] { ::_exit(3); }), StatusIs(StatusCode::kInvalidArgument, "value=3"));
  EXPECT_THAT(EndOf([] { ::raise(SIGKILL); }), StatusIs(StatusCode::kResourceExhausted, "killed"));
  EXPECT_TRUE(HasNoChild());
}

TEST(WorkerProcess, SignalHandlersOfThisProcessDoNotRunInIt) {
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  struct sigaction before = {};
  ASSERT_EQ(::sigaction(SIGTERM, &ignore, &before), 0);
  EXPECT_THAT(EndOf([] { ::raise(SIGTERM); }),
              StatusIs(StatusCode::kInvalidArgument, "value=TERM"));
  ::sigaction(SIGTERM, &before, nullptr);
  EXPECT_THAT(EndOf([] { ::raise(SIGINT); }),
              StatusIs(StatusCode::kInvalidArgument, "field=exit code value=0"));
}

TEST(WorkerProcess, ProcessorTimeWithoutAWriteIsLimited) {
  EXPECT_THAT(EndOf([] {
                rlimit limit = {};
                if (::getrlimit(RLIMIT_CPU, &limit) != 0 || limit.rlim_cur > 120) {
                  ::_exit(1);
                }
                limit.rlim_cur = 1;  // the test need not wait for the whole of it
                ::setrlimit(RLIMIT_CPU, &limit);
                while (true) {
                  asm volatile("");
                }
              }),
              StatusIs(StatusCode::kInvalidArgument, "value=XCPU"));
}

TEST(WorkerProcess, HoldsNoFileOfThisProcess) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const auto worker = Start([](const WorkerOutput& out) {
    out.Write("a");
    ::pause();
  });
  char byte = 0;
  ASSERT_OK(worker->Read(&byte, 1));
  ::close(ends[1]);
  EXPECT_EQ(::read(ends[0], &byte, 1), 0);  // the end: nobody else can write
  ::close(ends[0]);
}

TEST(WorkerProcess, OneThatNobodyReadsIsEndedAndWaitedFor) {
  {
    const auto worker = Start([](const WorkerOutput& out) {
      while (true) {
        out.Write("x");
      }
    });
    const auto idle = Start([](const WorkerOutput& /*out*/) { ::pause(); });
    EXPECT_FALSE(HasNoChild());
  }
  EXPECT_TRUE(HasNoChild());
}

}  // namespace
}  // namespace leadline::eval
