#pragma once

/// What a randomised test takes from its environment, and what it prints so that a failure can be
/// run again.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

extern char** environ;

namespace leadline::testing {

/// True in builds with sanitizers, whose own work takes descriptors and memory.
#if defined(__SANITIZE_ADDRESS__) || defined(LEADLINE_TSAN)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

/// The number in environment variable `name`, or `fallback` where it is unset. Anything but a plain
/// number ends the program: a typing mistake must not turn a long run into a short one.
inline uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  if (text == nullptr) {
    return fallback;
  }
  char* end = nullptr;
  const uint64_t value = std::strtoull(text, &end, 10);
  if (end == text || *end != '\0') {
    std::fprintf(stderr, "%s is not a number: %s\n", name, text);
    std::exit(2);
  }
  return value;
}

/// The seed of this program, printed at its first use: LEADLINE_TEST_SEED or `fallback`.
inline uint64_t TestSeed(uint64_t fallback) {
  static const uint64_t kSeed = [fallback] {
    const uint64_t seed = FromEnvironment("LEADLINE_TEST_SEED", fallback);
    std::printf("[ seed  ] LEADLINE_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    ::setenv("LEADLINE_TEST_SEED", std::to_string(seed).c_str(), 1);  // for ReplayCommand
    return seed;
  }();
  return kSeed;
}

/// A shell line that runs the current test again as it ran now.
inline std::string ReplayCommand() {
  std::string command;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::string(*entry).rfind("LEADLINE_", 0) == 0) {
      command += std::string(*entry) + " ";
    }
  }
  std::error_code error;
  command += std::filesystem::read_symlink("/proc/self/exe", error).string();
  const ::testing::TestInfo* test = ::testing::UnitTest::GetInstance()->current_test_info();
  if (test != nullptr) {
    command += std::string(" --gtest_filter=") + test->test_suite_name() + "." + test->name();
  }
  return command;
}

}  // namespace leadline::testing
