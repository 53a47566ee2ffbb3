// Who takes much more of the processors than others lately.

#include "caller_use.h"

#include <string>

#include <gtest/gtest.h>

#include "test_clock.h"

namespace leadline::rpc {
namespace {

constexpr int64_t kMs = 1'000'000;

class CallerUseTest : public ::testing::Test {
 protected:
  testing::TestClock clock_;
  CallerUse use_{&clock_};
};

TEST_F(CallerUseTest, WhoTakesTwiceAsMuchAsTheOthersIsAhead) {
  use_.Add("a", 20 * kMs);
  use_.Add("b", 20 * kMs);
  EXPECT_FALSE(use_.IsAhead("a"));
  use_.Add("a", 19 * kMs);
  EXPECT_FALSE(use_.IsAhead("a"));
  use_.Add("a", 3 * kMs);
  EXPECT_TRUE(use_.IsAhead("a"));
  EXPECT_FALSE(use_.IsAhead("b"));
  EXPECT_FALSE(use_.IsAhead("nobody"));
  use_.Add("c", 32 * kMs);
  EXPECT_FALSE(use_.IsAhead("a")) << "42 beside 20 and 32";
}

TEST_F(CallerUseTest, WhoIsAloneIsAheadOfNobody) {
  use_.Add("a", 1'000 * kMs);
  EXPECT_FALSE(use_.IsAhead("a"));
}

TEST_F(CallerUseTest, WhoTakesLittleIsNotAhead) {
  use_.Add("a", CallerUse::kSmallNanos);
  use_.Add("b", 1);
  EXPECT_FALSE(use_.IsAhead("a"));
  use_.Add("a", 1);
  EXPECT_TRUE(use_.IsAhead("a"));
}

TEST_F(CallerUseTest, WhatIsLongAgoIsForgotten) {
  clock_.monotonic_nanos = 10 * CallerUse::kWindowNanos;
  use_.Add("a", 40 * kMs);
  use_.Add("b", 10 * kMs);
  clock_.monotonic_nanos += CallerUse::kWindowNanos;
  EXPECT_TRUE(use_.IsAhead("a"));
  use_.Add("b", 10 * kMs);
  EXPECT_FALSE(use_.IsAhead("a")) << "40 beside 20";
  clock_.monotonic_nanos += CallerUse::kWindowNanos;
  use_.Add("a", 40 * kMs);
  EXPECT_TRUE(use_.IsAhead("a")) << "of b only the later 10 count, and of a the later 40";
  EXPECT_FALSE(use_.IsAhead("b"));
  clock_.monotonic_nanos += 2 * CallerUse::kWindowNanos;
  use_.Add("b", 40 * kMs);
  use_.Add("a", 10 * kMs);
  EXPECT_TRUE(use_.IsAhead("b"));
  EXPECT_FALSE(use_.IsAhead("a"));
}

}  // namespace
}  // namespace leadline::rpc
