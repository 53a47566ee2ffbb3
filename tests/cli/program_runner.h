#pragma once

/// Runs the built `leadline` program as a user would and looks at what comes back.

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace leadline::testing {

using Json = nlohmann::json;

struct ProgramOutput {
  int exit_code = -1;  ///< 128 + signal where a signal ended it
  std::string out;
  std::string err;

  [[nodiscard]] std::vector<Json> JsonLines() const {
    std::vector<Json> lines;
    std::istringstream stream(out);
    for (std::string line; std::getline(stream, line);) {
      lines.push_back(Json::parse(line, nullptr, false));
      EXPECT_FALSE(lines.back().is_discarded()) << "not JSON: " << line;
    }
    return lines;
  }

  [[nodiscard]] Json OneJson() const {
    const std::vector<Json> lines = JsonLines();
    EXPECT_EQ(lines.size(), 1U) << out << err;
    return lines.empty() ? Json() : lines[0];
  }
};

/// In a forked child, after its standard streams were set: becomes the program.
[[noreturn]] inline void BecomeLeadline(const std::vector<std::string>& words) {
  // What a caller left open would count against a limit on descriptors.
  ::close_range(STDERR_FILENO + 1, ~0U, 0);
  std::vector<char*> argv = {const_cast<char*>(LEADLINE_PROGRAM)};
  for (const std::string& word : words) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  ::execv(LEADLINE_PROGRAM, argv.data());
  ::_exit(127);
}

/// A started program; reads its output as it comes.
class RunningProgram {
 public:
  explicit RunningProgram(const std::vector<std::string>& words) {
    int out[2];
    int err[2];
    if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) {
      std::abort();
    }
    pid_ = ::fork();
    if (pid_ < 0) {
      std::abort();  // kill(-1) would reach every process
    }
    if (pid_ == 0) {
      ::dup2(out[1], STDOUT_FILENO);
      ::dup2(err[1], STDERR_FILENO);
      BecomeLeadline(words);
    }
    ::close(out[1]);
    ::close(err[1]);
    out_ = out[0];
    err_reader_ = std::thread([this, fd = err[0]] {
      for (std::string part; !(part = ReadSome(fd)).empty();) {
        output_.err += part;
      }
      ::close(fd);
    });
  }

  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  ~RunningProgram() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      Wait();
    }
  }

  [[nodiscard]] pid_t pid() const { return pid_; }

  /// Waits for one more line on standard output; false at its end.
  bool ReadLine(std::string* line) {
    size_t end = 0;
    while ((end = output_.out.find('\n', read_)) == std::string::npos) {
      const std::string part = ReadSome(out_);
      if (part.empty()) {
        return false;
      }
      output_.out += part;
    }
    *line = output_.out.substr(read_, end - read_);
    read_ = end + 1;
    return true;
  }

  void Signal(int number) const {
    if (pid_ > 0) {
      ::kill(pid_, number);
    }
  }

  ProgramOutput Wait() {
    for (std::string part; !(part = ReadSome(out_)).empty();) {
      output_.out += part;
    }
    ::close(out_);
    err_reader_.join();
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    output_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return output_;
  }

 private:
  static std::string ReadSome(int fd) {
    char bytes[65536];
    ssize_t size = 0;
    do {
      size = ::read(fd, bytes, sizeof(bytes));
    } while (size < 0 && errno == EINTR);
    return size > 0 ? std::string(bytes, static_cast<size_t>(size)) : std::string();
  }

  pid_t pid_ = -1;
  int out_ = -1;
  size_t read_ = 0;
  ProgramOutput output_;
  std::thread err_reader_;
};

inline ProgramOutput Leadline(const std::vector<std::string>& words) {
  return RunningProgram(words).Wait();
}

inline void WriteFile(const std::string& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary) << contents;
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// `rows` vectors of `dim` floats in [-1, 1], the same for the same seed.
inline std::vector<std::vector<float>> RandomVectors(size_t rows, size_t dim, unsigned seed) {
  std::vector<std::vector<float>> vectors(rows, std::vector<float>(dim));
  uint64_t state = seed * 2654435761ULL + 88172645463325252ULL;
  for (std::vector<float>& vector : vectors) {
    for (float& value : vector) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      value = static_cast<float>(state >> 40) / 8388608.0F - 1.0F;
    }
  }
  return vectors;
}

inline std::string FvecsBytes(const std::vector<std::vector<float>>& vectors) {
  std::string bytes;
  for (const std::vector<float>& vector : vectors) {
    const auto dim = static_cast<int32_t>(vector.size());
    bytes.append(reinterpret_cast<const char*>(&dim), sizeof(dim));
    bytes.append(reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float));
  }
  return bytes;
}

}  // namespace leadline::testing
