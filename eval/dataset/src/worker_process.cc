#include "worker_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <signal.h>

namespace leadline::eval {
namespace {

constexpr rlim_t kSecondsBetweenWrites = 60;
constexpr int kPipe = STDERR_FILENO + 1;

/// From now on, so each call renews the allowance.
void LimitProcessorTime() {
  rusage used = {};
  ::getrusage(RUSAGE_SELF, &used);
  rlimit limit = {};
  ::getrlimit(RLIMIT_CPU, &limit);
  const auto so_far = static_cast<rlim_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec);
  limit.rlim_cur = std::min(limit.rlim_max, so_far + kSecondsBetweenWrites);
  ::setrlimit(RLIMIT_CPU, &limit);
}

/// Handlers belong to what the parent does; here they would run in its copy.
void ForgetSignalHandlers() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < SIGRTMAX; ++number) {
    ::sigaction(number, &action, nullptr);
  }
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGINT, &action, nullptr);  // a terminal sends it to parent and child
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

/// Leaves /dev/null as the standard files, and `pipe` as kPipe.
void KeepOnlyPipe(int pipe) {
  const int moved = ::fcntl(pipe, F_DUPFD, kPipe);
  const int null = ::open("/dev/null", O_RDWR);
  if (moved < 0 || null < 0) {
    ::_exit(1);
  }
  for (int fd = 0; fd < kPipe; ++fd) {
    ::dup2(null, fd);
  }
  ::dup2(moved, kPipe);
  ::closefrom(kPipe + 1);
}

[[noreturn]] void RunChild(int pipe, const std::function<void(const WorkerOutput&)>& work) {
  ForgetSignalHandlers();
  KeepOnlyPipe(pipe);
  const rlimit no_core = {0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  LimitProcessorTime();
  work(WorkerOutput(kPipe));
  ::_exit(0);  // destructors and exit handlers are the parent's
}

}  // namespace

void WorkerOutput::Write(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      ::_exit(1);
    }
    bytes.remove_prefix(written < 0 ? 0 : static_cast<size_t>(written));
  }
  LimitProcessorTime();
}

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::Start(
    std::string name, const std::function<void(const WorkerOutput&)>& work) {
  std::array<int, 2> ends = {-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return ResourceExhaustedError(name + ": no pipe: " + ::strerrordesc_np(errno));
  }
  const pid_t pid = ::fork();
  if (pid == 0) {
    RunChild(ends[1], work);
  }
  const int error = errno;
  ::close(ends[1]);
  if (pid < 0) {
    ::close(ends[0]);
    return ResourceExhaustedError(name + ": no process: " + ::strerrordesc_np(error));
  }
  return std::unique_ptr<WorkerProcess>(new WorkerProcess(std::move(name), pid, ends[0]));
}

WorkerProcess::~WorkerProcess() {
  ::close(fd_);
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

Status WorkerProcess::Read(char* data, size_t size) {
  while (size > 0) {
    const ssize_t got = ::read(fd_, data, size);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return EndedEarly();
    }
    data += got;
    size -= static_cast<size_t>(got);
  }
  return {};
}

Status WorkerProcess::EndedEarly() {
  int ended = 0;
  pid_t waited = -1;
  do {
    waited = pid_ > 0 ? ::waitpid(pid_, &ended, 0) : -1;
  } while (waited < 0 && pid_ > 0 && errno == EINTR);
  pid_ = -1;
  if (waited >= 0 && WIFSIGNALED(ended)) {
    if (WTERMSIG(ended) == SIGKILL) {
      return ResourceExhaustedError(name_ + ": process was killed; is the system out of memory?");
    }
    const char* signal = ::sigabbrev_np(WTERMSIG(ended));
    return InvalidFieldError(name_ + ": process crashed", "signal",
                             signal != nullptr ? signal : std::to_string(WTERMSIG(ended)), "none");
  }
  return InvalidFieldError(name_ + ": process ended early", "exit code",
                           waited < 0 ? "unknown" : std::to_string(WEXITSTATUS(ended)), "0");
}

}  // namespace leadline::eval
