#pragma once

/// Work that may crash, kept away from this process.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>

#include "leadline/core/status.h"

namespace leadline::eval {

/// Where the work of a WorkerProcess writes what it found. Lives in the child.
class WorkerOutput {
 public:
  explicit WorkerOutput(int fd) : fd_(fd) {}

  /// Hands `bytes` to the parent; ends the child where nobody reads them any more.
  void Write(std::string_view bytes) const;

 private:
  const int fd_;
};

/// A copy of this process (fork without exec) that does one piece of work and writes bytes to a
/// pipe. Whatever it does to its memory, its files or its processor stays with it: it has no open
/// file but the pipe and /dev/null, ignores SIGINT, dies of other signals whatever this process
/// does with them, and is ended after 60 s of processor time between two writes.
/// Only the calling thread goes on in the copy, so the work must take no lock that another thread
/// may hold; allocating is safe. Thread-compatible. Needs a POSIX system.
class WorkerProcess {
 public:
  /// `name` says in errors whose work it was. Errors: kResourceExhausted where the system gives no
  /// pipe or process.
  static Result<std::unique_ptr<WorkerProcess>> Start(
      std::string name, const std::function<void(const WorkerOutput&)>& work);

  /// Ends the child and waits for its end.
  ~WorkerProcess();

  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// Waits for exactly `size` bytes. Errors: kInvalidArgument where the child ended before, with
  /// what ended it ("signal", "exit code") as field; kResourceExhausted where the system killed it.
  Status Read(char* data, size_t size);

 private:
  WorkerProcess(std::string name, pid_t pid, int fd) : name_(std::move(name)), pid_(pid), fd_(fd) {}

  /// Says how the child ended, after it closed its end of the pipe.
  Status EndedEarly();

  const std::string name_;
  pid_t pid_;  // -1 once waited for
  const int fd_;
};

}  // namespace leadline::eval
