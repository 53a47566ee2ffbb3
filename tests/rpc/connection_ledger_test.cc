// What the calls of one connection tell of it, and the connections of a server by their peers.

#include "connection_ledger.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <netinet/in.h>

#include "leadline/rpc/address.h"

namespace leadline::rpc {
namespace {

sockaddr_storage LoopbackPeer(int port) {
  sockaddr_storage peer = {};
  auto* address = reinterpret_cast<sockaddr_in*>(&peer);
  address->sin_family = AF_INET;
  address->sin_port = htons(static_cast<uint16_t>(port));
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return peer;
}

TEST(ConnectionLedger, ACallExplainsItsMessageAndAStepAllBefore) {
  constexpr uint64_t kMiB = 1 << 20;
  constexpr int64_t kSecond = 1'000'000'000;
  ConnectionAccount account;
  int64_t now = kSecond;
  // Whether so many bytes are too many, and stay it.
  const auto floods = [&](uint64_t received) {
    account.IsFlooding(received, now);
    return account.IsFlooding(received, now += kSecond / 2);
  };
  EXPECT_FALSE(floods(kMiB / 8));
  EXPECT_TRUE(floods(kMiB));
  EXPECT_TRUE(account.AddCall());
  EXPECT_FALSE(floods(kMiB));
  EXPECT_TRUE(floods(2 * kMiB));  // refused: nothing more is expected
  account.CallAdmitted();
  EXPECT_FALSE(floods(18 * kMiB));
  EXPECT_TRUE(floods(19 * kMiB));
  account.Progress();
  EXPECT_FALSE(floods(19 * kMiB));
  account.CallAnswered();
  account.RemoveCall(true, false);
  EXPECT_FALSE(floods(36 * kMiB));  // was under way
  now += 3 * kSecond;
  EXPECT_TRUE(floods(36 * kMiB));
  for (int i = 0; i < 128; ++i) {
    EXPECT_TRUE(account.AddCall());
  }
  for (int i = 0; i < 128; ++i) {
    EXPECT_FALSE(account.AddCall());
  }
  EXPECT_FALSE(floods(37 * kMiB));
  EXPECT_FALSE(account.AddCall());
  EXPECT_TRUE(account.IsFlooding(37 * kMiB, now));
}

TEST(ConnectionLedger, AnAnswerMakesRoomForACallBeforeItIsForgotten) {
  ConnectionAccount account;
  for (int i = 0; i < 128; ++i) {
    EXPECT_TRUE(account.AddCall());
  }
  EXPECT_FALSE(account.AddCall());
  account.CallAnswered();  // the one too many
  account.CallAnswered();
  EXPECT_TRUE(account.AddCall());
  EXPECT_FALSE(account.AddCall());
}

TEST(ConnectionLedger, ACallThatIsCountedLateExplainsItsMessageStill) {
  constexpr uint64_t kMiB = 1 << 20;
  constexpr int64_t kMs = 1'000'000;
  ConnectionAccount account;
  EXPECT_FALSE(account.IsFlooding(4 * kMiB, 1'000 * kMs)) << "its call may be on its way";
  EXPECT_FALSE(account.IsFlooding(4 * kMiB, 1'290 * kMs));
  EXPECT_TRUE(account.AddCall());
  account.CallAdmitted();
  EXPECT_FALSE(account.IsFlooding(4 * kMiB, 1'310 * kMs));
  EXPECT_FALSE(account.IsFlooding(22 * kMiB, 1'400 * kMs)) << "counted from the first too many on";
  EXPECT_TRUE(account.IsFlooding(22 * kMiB, 1'700 * kMs));
}

TEST(ConnectionLedger, WhatNoFirstWindowsHoldIsNotWaitedFor) {
  constexpr uint64_t kMiB = 1 << 20;
  ConnectionAccount account;
  EXPECT_FALSE(account.IsFlooding(4 * kMiB, 1)) << "calls may explain it";
  EXPECT_TRUE(account.IsFlooding(5 * kMiB, 2));
}

TEST(ConnectionLedger, WhoTakesBackMostCallsIsCut) {
  constexpr int64_t kSecond = 1'000'000'000;
  const auto calls = [](ConnectionAccount* account, int taken_back, int answered) {
    for (int i = 0; i < taken_back + answered; ++i) {
      EXPECT_TRUE(account->AddCall());
      account->CallAnswered();
      account->RemoveCall(false, i < taken_back);
    }
  };
  ConnectionAccount account;
  EXPECT_FALSE(account.IsFlooding(1, kSecond));
  calls(&account, 240, 0);
  EXPECT_FALSE(account.IsFlooding(2, kSecond + 1));
  EXPECT_FALSE(account.IsFlooding(3, 3 * kSecond));
  calls(&account, 300, 400);
  EXPECT_FALSE(account.IsFlooding(4, 3 * kSecond + 1));
  EXPECT_FALSE(account.IsFlooding(5, 5 * kSecond));
  calls(&account, 300, 200);
  EXPECT_TRUE(account.IsFlooding(6, 5 * kSecond + 1));
}

TEST(ConnectionLedger, WhoseHostWasCutMayTakeBackFewCalls) {
  ConnectionAccount account;
  account.Suspect();
  for (int i = 1; i <= 17; ++i) {
    EXPECT_FALSE(account.IsFlooding(1, 1'000'000'000)) << i;
    EXPECT_TRUE(account.AddCall());
    account.CallAnswered();
    account.RemoveCall(false, true);
  }
  EXPECT_TRUE(account.IsFlooding(2, 1'000'000'001));
}

TEST(ConnectionLedger, TheCallThatIsTakenBackTooOftenTells) {
  const auto first_too_many = [](ConnectionAccount* account) {
    for (int taken_back = 1; taken_back <= 1'000; ++taken_back) {
      account->AddCall();
      account->CallAnswered();
      if (account->RemoveCall(false, true)) {
        return taken_back;
      }
    }
    return 0;
  };
  ConnectionAccount account;
  EXPECT_EQ(first_too_many(&account), 251);
  ConnectionAccount suspect;
  suspect.Suspect();
  EXPECT_EQ(first_too_many(&suspect), 17);
  ConnectionAccount answered;
  for (int i = 0; i < 2'000; ++i) {
    answered.AddCall();
    answered.CallAnswered();
    EXPECT_FALSE(answered.RemoveCall(false, false));
  }
  EXPECT_EQ(first_too_many(&answered), 0) << "fewer than half of the calls";
}

TEST(ConnectionLedger, FindsAConnectionByItsPeerUntilNobodyHasIt) {
  ConnectionLedger ledger;
  auto account = ledger.Open(LoopbackPeer(1));
  ASSERT_NE(account, nullptr);
  ledger.Sweep();
  EXPECT_EQ(ledger.Find("127.0.0.1:1"), account);
  EXPECT_EQ(ledger.Find("127.0.0.1:2"), nullptr);
  const auto next = ledger.Open(LoopbackPeer(1));  // the peer came again by the same port
  EXPECT_EQ(ledger.Find("127.0.0.1:1"), next);
  account.reset();
  ledger.Sweep();
  EXPECT_EQ(ledger.Find("127.0.0.1:1"), next);
  sockaddr_storage path = {};
  path.ss_family = AF_UNIX;
  EXPECT_EQ(ledger.Open(path), nullptr);
  EXPECT_EQ(ledger.Find("unix"), nullptr);
}

TEST(ConnectionLedger, CallsAndTheirJudgeAtOnceLoseNothing) {
  constexpr int kPeers = 8;
  constexpr int kCalls = 500;
  ConnectionLedger ledger;
  std::vector<std::shared_ptr<ConnectionAccount>> accounts;
  for (int peer = 0; peer < kPeers; ++peer) {
    accounts.push_back(ledger.Open(LoopbackPeer(peer + 1)));
  }
  std::atomic<bool> ended{false};
  std::thread judge([&] {
    for (int64_t now = 1; !ended.load(); ++now) {
      for (const auto& account : accounts) {
        EXPECT_FALSE(account->IsFlooding(1, now));
      }
      ledger.Sweep();
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&ledger, t] {
      for (int i = 0; i < kCalls; ++i) {
        const int peer = 1 + (i + t) % kPeers;
        const auto account = ledger.Find("127.0.0.1:" + std::to_string(peer));
        ASSERT_NE(account, nullptr);
        EXPECT_TRUE(account->AddCall());
        account->CallAdmitted();
        account->Progress();
        account->CallAnswered();
        account->RemoveCall(true, false);
        ledger.Open(LoopbackPeer(1'000 + t));
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  ended = true;
  judge.join();
  for (const auto& account : accounts) {
    for (int i = 0; i < 128; ++i) {
      EXPECT_TRUE(account->AddCall()) << "none of the calls is left";
    }
    EXPECT_FALSE(account->AddCall());
  }
}

}  // namespace
}  // namespace leadline::rpc
