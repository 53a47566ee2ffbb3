// How long a wrong token takes does not tell how much of its digest was right. As dudect does it:
// two kinds of calls in random order, outliers cropped at several levels, Welch's t of the two. A
// comparison that stops at the first difference is told apart by the same procedure.

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
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

constexpr size_t kSamples = 1'000'000;
/// Beyond it dudect is sure; honest runs stay around 4.
constexpr double kSure = 10;
constexpr int kRuns = 4;
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

struct Sample {
  double nanos = 0;
  bool late = false;  ///< of the second kind
};

/// Welch's t of the two kinds among the samples up to `limit`.
double WelchT(const std::vector<Sample>& samples, double limit) {
  std::array<double, 2> count{};
  std::array<double, 2> mean{};
  std::array<double, 2> squares{};
  for (const Sample& sample : samples) {
    if (sample.nanos <= limit) {
      const size_t kind = sample.late ? 1 : 0;
      count[kind] += 1;
      const double delta = sample.nanos - mean[kind];
      mean[kind] += delta / count[kind];
      squares[kind] += delta * (sample.nanos - mean[kind]);
    }
  }
  double variance = 0;
  for (size_t kind = 0; kind < 2; ++kind) {
    if (count[kind] < 1000) {
      return 0;
    }
    variance += squares[kind] / (count[kind] - 1) / count[kind];
  }
  return variance > 0 ? (mean[1] - mean[0]) / std::sqrt(variance) : 0;
}

/// The largest |t| over the levels of cropping, of `call` with the tokens `early` and `late`.
double LargestT(const char* name, const std::string& early, const std::string& late,
                const std::function<void(std::string_view)>& call) {
  Rng rng(testing::TestSeed(1));
  std::vector<Sample> samples(kSamples);
  std::string token = early;  // the same memory for both kinds
  for (Sample& sample : samples) {
    sample.late = rng.Uniform(2) == 1;
    std::copy(sample.late ? late.begin() : early.begin(), sample.late ? late.end() : early.end(),
              token.begin());
    const auto begin = std::chrono::steady_clock::now();
    call(token);
    sample.nanos = static_cast<double>((std::chrono::steady_clock::now() - begin).count());
  }
  std::vector<double> sorted(samples.size());
  std::transform(samples.begin(), samples.end(), sorted.begin(),
                 [](const Sample& sample) { return sample.nanos; });
  std::sort(sorted.begin(), sorted.end());
  double largest = 0;
  for (const double share : {0.5, 0.75, 0.9, 0.99, 1.0}) {
    const auto last = static_cast<size_t>(share * static_cast<double>(sorted.size() - 1));
    const double t = WelchT(samples, sorted[last]);
    std::printf("%s: the fastest %.0f%% (up to %.0f ns): t = %.2f\n", name, 100 * share,
                sorted[last], t);
    largest = std::max(largest, std::abs(t));
  }
  return largest;
}

/// One token whose record holds a digest that `late` misses by the last digit and `early` by the
/// first.
struct WrongTokens {
  WrongTokens() {
    digest = DigestOf(late);
    digest.back() = digest.back() == '0' ? '1' : '0';
    for (int number = 1; early.empty() || DigestOf(early)[0] == digest[0]; ++number) {
      early = TokenOf(number);
    }
  }

  std::string late = TokenOf(0);
  std::string early;
  std::string digest;
};

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
  // A leak shows in every run, what else the machine does not in all of them.
  double least = std::numeric_limits<double>::infinity();
  for (int run = 0; run < kRuns && least >= kSure; ++run) {
    size_t refused = 0;
    const double t = LargestT(
        "token store", tokens.early, tokens.late,
        [&](std::string_view token) { refused += store.Authenticate(token).ok() ? 0U : 1U; });
    EXPECT_EQ(refused, kSamples);
    least = std::min(least, t);
  }
  EXPECT_LT(least, kSure);
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
  double most = 0;
  for (int run = 0; run < kRuns && most <= kSure; ++run) {
    most = std::max(most, LargestT("comparison that stops", tokens.early, tokens.late, leaky));
  }
  EXPECT_EQ(equal, 0U);
  EXPECT_GT(most, kSure);
}

}  // namespace
}  // namespace leadline::rpc
