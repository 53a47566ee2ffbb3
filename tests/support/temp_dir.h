#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "test_environment.h"

namespace leadline::testing {

/// A fresh directory below $TMPDIR (default /tmp), removed with its contents at the end of scope;
/// kept, and named with a command to run again, when the test has failed by then.
class TempDir {
 public:
  TempDir() {
    const char* base = std::getenv("TMPDIR");
    std::string pattern = std::string(base != nullptr ? base : "/tmp") + "/leadline-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
      std::perror(pattern.c_str());
      std::abort();
    }
    path_ = pattern;
  }

  ~TempDir() {
    if (::testing::Test::HasFailure()) {
      std::printf("[ kept  ] %s\n[ again ] %s\n", path_.c_str(), ReplayCommand().c_str());
      std::fflush(stdout);
      return;
    }
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace leadline::testing
