// Who was cut waits to come again, longer each time, and nobody else does.

#include "held_arrivals.h"

#include <array>
#include <future>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "connection_gate.h"
#include "leadline/core/clock.h"
#include "leadline/rpc/address.h"
#include "raw_connection.h"

namespace leadline::rpc {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kSecond = 1'000 * kMs;

std::string HostV4(const char* address, uint16_t port) {
  sockaddr_storage peer = {};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&peer);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(port);
  EXPECT_EQ(::inet_pton(AF_INET, address, &v4->sin_addr), 1);
  return HeldArrivals::HostOf(peer);
}

std::string HostV6(const char* address) {
  sockaddr_storage peer = {};
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&peer);
  v6->sin6_family = AF_INET6;
  EXPECT_EQ(::inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
  return HeldArrivals::HostOf(peer);
}

/// Both ends of a connection.
struct Ends {
  Ends() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    arrival = {7, Descriptor(ends[0])};
    peer.Reset(ends[1]);
  }

  HeldArrivals::Arrival arrival;
  Descriptor peer;
};

class HeldArrivalsTest : public ::testing::Test {
 protected:
  /// True where it may come in at once.
  bool Comes(const std::string& host, int64_t now) {
    ends_.push_back(std::make_unique<Ends>());
    return !held_.Hold(host, &ends_.back()->arrival, now);
  }

  size_t Due(int64_t now) { return held_.TakeDue(now).size(); }

  HeldArrivals held_{5'000};
  std::vector<std::unique_ptr<Ends>> ends_;
  const std::string host_ = HostV4("10.0.0.1", 1);
};

TEST_F(HeldArrivalsTest, OnlyWhoWasCutWaitsAndOneComesAtATime) {
  EXPECT_TRUE(Comes(host_, kSecond));
  held_.NoteCut(host_, kSecond);
  EXPECT_TRUE(Comes(HostV4("10.0.0.2", 1), kSecond));
  EXPECT_EQ(held_.WaitMs(kSecond), -1);
  EXPECT_FALSE(Comes(HostV4("10.0.0.1", 2), kSecond + 1));
  EXPECT_FALSE(Comes(host_, kSecond + 2));
  EXPECT_EQ(Due(kSecond + 99 * kMs), 0U);
  EXPECT_NEAR(static_cast<double>(held_.WaitMs(kSecond + 40 * kMs)), 60, 2);
  const std::vector<HeldArrivals::Arrival> due = held_.TakeDue(kSecond + 100 * kMs);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].listener, 7);
  EXPECT_TRUE(due[0].connection.ok());
  EXPECT_EQ(Due(kSecond + 199 * kMs), 0U);
  EXPECT_EQ(Due(kSecond + 200 * kMs), 1U);
  EXPECT_EQ(held_.WaitMs(kSecond + 200 * kMs), -1);
  EXPECT_TRUE(Comes(host_, kSecond + 300 * kMs));
  EXPECT_FALSE(Comes(host_, kSecond + 301 * kMs)) << "one at a time, also where none waits";
}

TEST_F(HeldArrivalsTest, PausesDoubleUpToTheirMostAndAreForgottenAfterAMinute) {
  int64_t now = kSecond;
  for (const int64_t pause_ms : {100, 200, 400, 800, 1'600, 3'200, 5'000, 5'000}) {
    held_.NoteCut(host_, now);
    held_.NoteCut(host_, now);  // another connection, at the same time
    EXPECT_FALSE(Comes(host_, now + 1));
    EXPECT_EQ(Due(now + (pause_ms - 1) * kMs), 0U) << pause_ms;
    EXPECT_EQ(Due(now + pause_ms * kMs), 1U) << pause_ms;
    now += 10 * kSecond;
  }
  now += 60 * kSecond;
  EXPECT_TRUE(Comes(host_, now));
  EXPECT_TRUE(Comes(host_, now + 1));
  EXPECT_EQ(Due(now + 2), 0U);
  held_.NoteCut(host_, now + 3);
  EXPECT_FALSE(Comes(host_, now + 4));
  EXPECT_EQ(Due(now + 101 * kMs), 1U) << "begins anew";
}

TEST_F(HeldArrivalsTest, WhoGaveUpTakesNobodysTurnAndTooManyAreClosed) {
  held_.NoteCut(host_, kSecond);
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(Comes(host_, kSecond + 1));
  }
  char byte = 0;
  EXPECT_EQ(::recv(ends_[19]->peer.get(), &byte, 1, MSG_DONTWAIT), 0) << "closed";
  EXPECT_LT(::recv(ends_[15]->peer.get(), &byte, 1, MSG_DONTWAIT), 0) << "held";
  for (int i = 0; i < 15; ++i) {
    ends_[static_cast<size_t>(i)]->peer.Reset();
  }
  ASSERT_EQ(Due(kSecond + 100 * kMs), 1U);
  EXPECT_EQ(held_.WaitMs(kSecond + 100 * kMs), -1);
}

TEST_F(HeldArrivalsTest, NobodyWaitsWithoutAPauseOrOnAPath) {
  HeldArrivals free(0);
  free.NoteCut(host_, kSecond);
  Ends ends;
  EXPECT_FALSE(free.Hold(host_, &ends.arrival, kSecond));
  sockaddr_storage path = {};
  path.ss_family = AF_UNIX;
  held_.NoteCut(HeldArrivals::HostOf(path), kSecond);
  EXPECT_TRUE(Comes(HeldArrivals::HostOf(path), kSecond));
}

TEST(ConnectionGate, CutsOffOnceAndHoldsTheNextOfTheHost) {
  constexpr int64_t kFirstPause = 100 * kMs;
  ConnectionLedger ledger;
  auto gate = *ConnectionGate::Listen({.path = "", .host = "127.0.0.1", .port = 0},
                                      {.max_connections = 8, .cut_pause_ms = 1'000}, &ledger);
  std::array<std::promise<Descriptor>, 2> taken;
  size_t count = 0;
  gate->Open([&](int, int connection) { taken.at(count++).set_value(Descriptor(connection)); });
  const RawConnection first(gate->port());
  const Descriptor handed_on = taken[0].get_future().get();
  sockaddr_storage own = {};
  socklen_t size = sizeof own;
  ASSERT_EQ(::getsockname(first.fd(), reinterpret_cast<sockaddr*>(&own), &size), 0);
  const std::shared_ptr<ConnectionAccount> account = ledger.Find(PeerName(own));
  ASSERT_NE(account, nullptr);

  const int64_t before = Clock::System()->MonotonicNanos();
  gate->CutOff(account);
  gate->CutOff(account);  // several calls may find that it is time
  EXPECT_TRUE(first.Ends());
  EXPECT_EQ(gate->Judge().cut, 1U);
  EXPECT_EQ(gate->Judge().cut, 0U);
  const RawConnection second(gate->port());
  const Descriptor handed_on_late = taken[1].get_future().get();
  EXPECT_GE(Clock::System()->MonotonicNanos() - before, kFirstPause);
  gate->Close();
}

TEST_F(HeldArrivalsTest, AHostIsAnAddressOrANetworkOfIPv6) {
  EXPECT_EQ(HostV4("1.2.3.4", 5), HostV4("1.2.3.4", 6));
  EXPECT_EQ(HostV4("1.2.3.4", 5), HostV6("::ffff:1.2.3.4"));
  EXPECT_NE(HostV4("1.2.3.4", 5), HostV4("1.2.3.5", 5));
  EXPECT_EQ(HostV6("2001:db8:1:2::1"), HostV6("2001:db8:1:2:ffff::1"));
  EXPECT_NE(HostV6("2001:db8:1:2::1"), HostV6("2001:db8:1:3::1"));
}

}  // namespace
}  // namespace leadline::rpc
