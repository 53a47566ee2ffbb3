// Snapshots that clients hold by name: renewed, let go, and dropped when the lease runs out.

#include "lease_table.h"

#include <memory>

#include <gtest/gtest.h>

#include "status_matchers.h"
#include "test_clock.h"

namespace leadline::rpc {
namespace {

using testing::StatusIs;

constexpr int64_t kMs = 1'000'000;

class FixedSnapshot final : public Snapshot {
 public:
  [[nodiscard]] SequenceNumber sequence() const override { return 7; }
};

TEST(LeaseTable, ALeaseEndsUnlessItIsRenewed) {
  testing::TestClock clock;
  LeaseTable leases(&clock);
  const auto snapshot = std::make_shared<const FixedSnapshot>();
  ASSERT_OK_AND_ASSIGN(const std::string name, leases.Add(snapshot, 1000));
  clock.monotonic_nanos += 900 * kMs;
  EXPECT_OK(leases.Find(name));
  ASSERT_OK(leases.Renew(name, 1000));
  clock.monotonic_nanos += 900 * kMs;
  EXPECT_OK(leases.Find(name));
  EXPECT_EQ(snapshot.use_count(), 2);
  clock.monotonic_nanos += 200 * kMs;
  EXPECT_THAT(leases.Find(name), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(leases.Renew(name, 1000), StatusIs(StatusCode::kNotFound));
  leases.DropExpired();
  EXPECT_EQ(snapshot.use_count(), 1);
}

TEST(LeaseTable, WhatIsReleasedIsGoneAndNoNameMeansNone) {
  testing::TestClock clock;
  LeaseTable leases(&clock);
  const auto snapshot = std::make_shared<const FixedSnapshot>();
  ASSERT_OK_AND_ASSIGN(const std::string name, leases.Add(snapshot, 1000));
  leases.Release(name);
  leases.Release(name);
  EXPECT_EQ(snapshot.use_count(), 1);
  EXPECT_THAT(leases.Find(name), StatusIs(StatusCode::kNotFound));
  ASSERT_OK_AND_ASSIGN(const auto none, leases.Find(""));
  EXPECT_EQ(none, nullptr);
}

TEST(LeaseTable, TooManyAreRefusedUntilSomeEnd) {
  testing::TestClock clock;
  LeaseTable leases(&clock);
  const auto snapshot = std::make_shared<const FixedSnapshot>();
  for (size_t i = 0; i < LeaseTable::kMaxLeases; ++i) {
    ASSERT_OK(leases.Add(snapshot, 1000));
  }
  EXPECT_THAT(leases.Add(snapshot, 1000), StatusIs(StatusCode::kResourceExhausted));
  clock.monotonic_nanos += 1001 * kMs;
  EXPECT_OK(leases.Add(snapshot, 1000));
}

}  // namespace
}  // namespace leadline::rpc
