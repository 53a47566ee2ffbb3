#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <poll.h>
#include <signal.h>

namespace leadline::testing {

/// A child made by fork and exec, with pipes on its standard input and output. A machine that can
/// make none ends the test program: there would be no pid, and kill(-1) reaches every process.
class ChildProcess {
 public:
  /// `environment` is added to ours.
  ChildProcess(const std::vector<std::string>& command,
               const std::vector<std::pair<std::string, std::string>>& environment) {
    int in[2];
    int out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) {
      GiveUp("pipe2");
    }
    pid_ = ::fork();
    if (pid_ < 0) {
      GiveUp("fork");
    }
    if (pid_ == 0) {
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      for (const auto& [name, value] : environment) {
        ::setenv(name.c_str(), value.c_str(), 1);
      }
      std::vector<char*> argv;
      for (const std::string& word : command) {
        argv.push_back(const_cast<char*>(word.c_str()));
      }
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    stdin_ = in[1];
    stdout_ = out[0];
  }

  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  ~ChildProcess() {
    Kill();
    Wait();
    CloseInput();
    ::close(stdout_);
  }

  void Kill() const {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
    }
  }

  void CloseInput() {
    if (stdin_ >= 0) {
      ::close(stdin_);
      stdin_ = -1;
    }
  }

  /// Appends what the child has written to `*text`, waiting at most `patience_ms` (negative: for
  /// ever) for a byte. Returns false once the child has closed its output.
  bool ReadSome(std::string* text, int patience_ms) const {
    pollfd wanted{stdout_, POLLIN, 0};
    if (::poll(&wanted, 1, patience_ms) <= 0) {
      return true;
    }
    char buffer[65536];
    const ssize_t n = ::read(stdout_, buffer, sizeof buffer);
    if (n > 0) {
      text->append(buffer, static_cast<size_t>(n));
    }
    return n > 0 || (n < 0 && errno == EINTR);
  }

  /// Everything the child wrote until it ended.
  [[nodiscard]] std::string ReadAll() const {
    std::string text;
    while (ReadSome(&text, -1)) {
    }
    return text;
  }

  /// Raw wait status; 0 when it was taken before.
  int Wait() {
    int status = 0;
    while (pid_ > 0 && ::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  [[noreturn]] static void GiveUp(const char* what) {
    std::fprintf(stderr, "cannot start a child process: %s: %s\n", what, std::strerror(errno));
    std::abort();
  }

  pid_t pid_ = -1;
  int stdin_ = -1;
  int stdout_ = -1;
};

/// "killed by signal 9" or "exit 3", for messages.
inline std::string DescribeStatus(int status) {
  return WIFSIGNALED(status) ? "killed by signal " + std::to_string(WTERMSIG(status))
                             : "exit " + std::to_string(WEXITSTATUS(status));
}

}  // namespace leadline::testing
