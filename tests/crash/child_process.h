#pragma once

#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <signal.h>

namespace leadline::testing {

/// A child made by fork and exec, with pipes on its standard input and output.
class ChildProcess {
 public:
  /// `environment` is added to ours.
  ChildProcess(const std::vector<std::string>& command,
               const std::vector<std::pair<std::string, std::string>>& environment) {
    int in[2];
    int out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) {
      return;
    }
    pid_ = ::fork();
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
    if (pid_ > 0) {
      Kill();
      Wait();
    }
    ::close(stdin_);
    ::close(stdout_);
  }

  void Kill() const { ::kill(pid_, SIGKILL); }

  void CloseInput() {
    ::close(stdin_);
    stdin_ = -1;
  }

  /// Everything the child wrote until it ended.
  [[nodiscard]] std::string ReadAll() const {
    std::string text;
    char buffer[4096];
    for (ssize_t n = ::read(stdout_, buffer, sizeof buffer); n > 0;
         n = ::read(stdout_, buffer, sizeof buffer)) {
      text.append(buffer, static_cast<size_t>(n));
    }
    return text;
  }

  /// Raw wait status.
  int Wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  int stdin_ = -1;
  int stdout_ = -1;
};

}  // namespace leadline::testing
