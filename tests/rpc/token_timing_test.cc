// How long a wrong token takes does not tell how much of its digest was right. Three calls follow
// each other in random order: two with tokens whose digests are wrong from the first digit on, one
// with a token whose digest is wrong in the last. What else the machine does meets all three. The
// difference between the first two is noise, whatever its cause, and what is told of the third
// counts in units of that. A comparison that stops early is told apart by the same procedure.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include "leadline/core/file_system.h"
#include "leadline/core/rng.h"
#include "leadline/rpc/token_store.h"
#include "random_name.h"
#include "status_matchers.h"
#include "temp_dir.h"
#include "test_clock.h"
#include "test_environment.h"

namespace leadline::rpc {
namespace {

/// Calls of the first run; each further run makes twice as many.
constexpr size_t kSamples = 1'002'000;
constexpr int kRuns = 2;
/// The noise of a run is estimated from so many parts of it, so that what lasts counts as noise.
constexpr size_t kParts = 100;
/// Honest runs stay below 2; a comparison that stops early reaches hundreds on an idle machine.
constexpr double kSure = 8;
constexpr std::string_view kId = "0123456789ab";

std::string DigestOf(std::string_view token) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest.data());
  return ToHex(digest.data(), digest.size());
}

std::string TokenOf(int number) {
  char secret[65];
  std::snprintf(secret, sizeof secret, "%064x", number);
  return "leadline_" + std::string(kId) + "_" + secret;
}

/// A digest that `late` misses by the last digit, and both of `early` by the first.
struct WrongTokens {
  WrongTokens() {
    digest = DigestOf(late);
    digest.back() = digest.back() == '0' ? '1' : '0';
    for (int number = 1; early.size() < 2; ++number) {
      if (DigestOf(TokenOf(number))[0] != digest[0]) {
        early.push_back(TokenOf(number));
      }
    }
  }

  std::string late = TokenOf(0);
  std::vector<std::string> early;
  std::string digest;
};

struct alignas(64) Text {
  void Set(const std::string& text) { std::copy(text.begin(), text.end(), bytes.begin()); }

  std::array<char, 128> bytes{};
};

/// Mean of the middle half: neither calls that were interrupted nor the clock's steps decide.
double Midmean(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t quarter = values.size() / 4;
  double sum = 0;
  for (size_t i = quarter; i < values.size() - quarter; ++i) {
    sum += values[i];
  }
  return sum / static_cast<double>(values.size() - 2 * quarter);
}

/// Of the same difference in all parts of a run.
struct Difference {
  double mean = 0;   ///< nanoseconds
  double error = 0;  ///< standard error of the mean, from how the parts differ
};

Difference Summarise(const std::vector<double>& parts) {
  const auto n = static_cast<double>(parts.size());
  Difference difference;
  for (const double part : parts) {
    difference.mean += part / n;
  }
  double squares = 0;
  for (const double part : parts) {
    squares += (part - difference.mean) * (part - difference.mean);
  }
  difference.error = std::sqrt(squares / (n - 1) / n);
  return difference;
}

/// How far the late token's time is from the early ones', in units of the noise of the run.
double Distance(const char* name, const WrongTokens& tokens, size_t samples,
                const std::function<void(std::string_view)>& call) {
  Rng rng(testing::TestSeed(1));
  // Lines of their own for each text, and the same memory for all calls.
  std::array<Text, 3> texts{};
  Text token;
  const size_t size = tokens.late.size();
  texts[0].Set(tokens.early[0]);
  texts[1].Set(tokens.early[1]);
  texts[2].Set(tokens.late);
  std::array<int, 3> order = {0, 1, 2};
  std::array<double, 3> nanos{};
  // Of two calls each: that is symmetric about 0 where nothing is told, however skewed times are.
  std::vector<double> between_early;
  std::vector<double> late;
  for (size_t part = 0; part < kParts; ++part) {
    std::vector<double> early_pairs;
    std::vector<double> late_pairs;
    std::vector<double> other_late_pairs;
    for (size_t i = 0; i < samples / kParts / order.size(); ++i) {
      for (size_t left = order.size(); left > 1; --left) {
        std::swap(order[left - 1], order[rng.Uniform(left)]);
      }
      for (const int kind : order) {
        const auto at = static_cast<size_t>(kind);
        token = texts[at];
        std::atomic_thread_fence(std::memory_order_seq_cst);  // the copy is no part of the call
        const auto begin = std::chrono::steady_clock::now();
        call({token.bytes.data(), size});
        nanos[at] = static_cast<double>((std::chrono::steady_clock::now() - begin).count());
      }
      early_pairs.push_back(nanos[1] - nanos[0]);
      late_pairs.push_back(nanos[2] - nanos[0]);
      other_late_pairs.push_back(nanos[2] - nanos[1]);
    }
    between_early.push_back(Midmean(std::move(early_pairs)));
    late.push_back((Midmean(std::move(late_pairs)) + Midmean(std::move(other_late_pairs))) / 2);
  }
  const Difference noise = Summarise(between_early);
  const Difference told = Summarise(late);
  const double unit = std::max({noise.error, told.error, std::abs(noise.mean)});
  std::printf(
      "%s: %zu calls: late by %.3f ns (error %.3f); of two alike the second by %.3f ns (error "
      "%.3f): %.1f times the noise\n",
      name, samples, told.mean, told.error, noise.mean, noise.error, std::abs(told.mean) / unit);
  return std::abs(told.mean) / unit;
}

/// Whether each of some runs, of more calls every time, is sure: what tells something does so
/// again, and what was chance does not.
bool Tells(const char* name, const WrongTokens& tokens,
           const std::function<void(std::string_view)>& call) {
  size_t samples = kSamples;
  for (int run = 0; run < kRuns; ++run, samples *= 2) {
    if (Distance(name, tokens, samples, call) < kSure) {
      return false;
    }
  }
  return true;
}

TEST(TokenTiming, ATokenStoreTakesAsLongWhereverADigestIsWrong) {
  const WrongTokens tokens;
  const testing::TempDir dir;
  ASSERT_OK(WriteFileAtomically(FileSystem::Posix(), dir.file("tokens.json"),
                                R"({"version":1,"tokens":[{"id":")" + std::string(kId) +
                                    R"(","sha256":")" + tokens.digest +
                                    R"(","role":"read","label":"","created_ms":0}]})"));
  testing::TestClock clock;  // stands still: the file is read once
  TokenStore store(FileSystem::Posix(), &clock, dir.path());
  ASSERT_OK_AND_ASSIGN(const auto records, store.List());
  ASSERT_EQ(records.size(), 1U);
  size_t accepted = 0;
  EXPECT_FALSE(Tells("token store", tokens, [&](std::string_view token) {
    accepted += store.Authenticate(token).ok() ? 1U : 0U;
  }));
  EXPECT_EQ(accepted, 0U);
}

TEST(TokenTiming, AComparisonThatStopsEarlyIsFound) {
  const WrongTokens tokens;
  size_t equal = 0;
  const auto leaky = [&](std::string_view token) {
    const std::string digest = DigestOf(token);
    size_t same = 0;
    while (same < digest.size() && digest[same] == tokens.digest[same]) {
      ++same;
    }
    equal += same == digest.size() ? 1U : 0U;
  };
  EXPECT_TRUE(Tells("comparison that stops", tokens, leaky));
  EXPECT_EQ(equal, 0U);
}

}  // namespace
}  // namespace leadline::rpc
