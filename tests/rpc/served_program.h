#pragma once

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "../cli/program_runner.h"
#include "leadline/client.h"
#include "status_matchers.h"

namespace leadline {

/// `leadline serve` in a process of its own, on ports that it chose. Needs the definition of
/// LEADLINE_PROGRAM.
class ServedProgram {
 public:
  explicit ServedProgram(const std::string& path, std::vector<std::string> more = {})
      : program_(Words(path, std::move(more))) {
    std::string line;
    EXPECT_TRUE(program_.ReadLine(&line));
    ready_ = testing::Json::parse(line, nullptr, false);
    EXPECT_GT(port(), 0) << line;
  }

  [[nodiscard]] std::unique_ptr<Database> Connect() const {
    ClientOptions options;
    options.max_retries = 0;  // what a call that is sent once hears
    Result<std::unique_ptr<Database>> client =
        Client::Connect("127.0.0.1:" + std::to_string(port()), options);
    EXPECT_OK(client);
    return *std::move(client);
  }

  testing::RunningProgram& program() { return program_; }

  /// Lets it drain, and what it said.
  testing::ProgramOutput Stop() {
    program_.Signal(SIGTERM);
    return program_.Wait();
  }

  /// Of gRPC.
  [[nodiscard]] int port() const { return ready_.value("grpc_port", 0); }

  [[nodiscard]] int http_port() const { return ready_.value("http_port", 0); }

 private:
  static std::vector<std::string> Words(const std::string& path, std::vector<std::string> more) {
    std::vector<std::string> words = {"serve",  path,          "--grpc", "127.0.0.1:0",
                                      "--http", "127.0.0.1:0", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  testing::RunningProgram program_;
  testing::Json ready_;
};

}  // namespace leadline
