// Names of calls: which traceparents and request ids of a client are taken, and that every call has
// names of its own else, which come back with the answer.

#include "leadline/rpc/trace_context.h"

#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "leadline/core/mutex.h"
#include "leadline/v1/maintenance.pb.h"
#include "raw_call.h"
#include "served_database.h"

namespace leadline::rpc {
namespace {

constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kGood[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceContext, ReadsWhatTheStandardShows) {
  const auto context = ParseTraceparent(kGood);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->TraceIdHex(), kTraceId);
  EXPECT_EQ(context->parent_id, (std::array<uint8_t, 8>{0, 0xF0, 0x67, 0xAA, 0x0B, 0xA9, 2, 0xB7}));
  EXPECT_TRUE(context->sampled);
  std::string text = kGood;
  for (const auto& [flags, sampled] :
       {std::pair{"00", false}, {"01", true}, {"02", false}, {"03", true}, {"ff", true}}) {
    const auto other = ParseTraceparent(text.replace(53, 2, flags));
    ASSERT_TRUE(other) << flags;
    EXPECT_EQ(other->sampled, sampled) << flags;
  }
}

TEST(TraceContext, EveryOtherCharacterAtEveryPlaceIsMalformed) {
  const std::string good = kGood;
  for (size_t at = 0; at < good.size(); ++at) {
    for (int c = 0; c < 256; ++c) {
      std::string text = good;
      text[at] = static_cast<char>(c);
      const bool dash = at == 2 || at == 35 || at == 52;
      const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
      EXPECT_EQ(ParseTraceparent(text).has_value(), dash ? c == '-' : digit)
          << "character " << c << " at " << at;
    }
  }
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ParseTraceparent(good.substr(0, size))) << size;
  }
}

TEST(TraceContext, RefusesZerosTheForbiddenVersionAndMoreOfTheFirst) {
  const std::string ids = std::string("-") + kTraceId + "-00f067aa0ba902b7-01";
  const std::string zeros(32, '0');
  EXPECT_FALSE(ParseTraceparent("00-" + zeros + "-00f067aa0ba902b7-01"));
  EXPECT_FALSE(ParseTraceparent(std::string("00-") + kTraceId + "-0000000000000000-01"));
  EXPECT_FALSE(ParseTraceparent("ff" + ids));
  for (const std::string& more : {std::string("-"), std::string("-00"), std::string("x"),
                                  std::string(" "), std::string("\n"), std::string(1, '\0')}) {
    EXPECT_FALSE(ParseTraceparent("00" + ids + more)) << more;
  }
  EXPECT_TRUE(ParseTraceparent("01" + ids));
  EXPECT_TRUE(ParseTraceparent("cc" + ids + "-what-comes"));
  EXPECT_FALSE(ParseTraceparent("cc" + ids + "0"));
  EXPECT_FALSE(ParseTraceparent("  " + std::string(kGood)));
  EXPECT_FALSE(ParseTraceparent(std::string(1 << 20, '0')));
}

TEST(RequestId, TakesWordsOfAtMost64Bytes) {
  for (const std::string& good : {std::string("a"), std::string("A-z_09"), std::string(64, 'x')}) {
    EXPECT_TRUE(RequestId::Valid(good)) << good;
    EXPECT_EQ(RequestId(good).view(), good);
  }
  for (const std::string& bad : {std::string(), std::string(65, 'x'), std::string("a b"),
                                 std::string("a\nb"), std::string("a\0b", 3), std::string("\"a\""),
                                 std::string("\xC3\xA4"), std::string("a.b")}) {
    EXPECT_FALSE(RequestId::Valid(bad)) << bad;
  }
}

TEST(CallNames, AreDifferentForCallsOfManyThreads) {
  const ServedDatabase served;
  Mutex mutex;
  std::set<std::string> names;
  std::vector<std::thread> threads;
  constexpr size_t kCalls = 5000;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (size_t i = 0; i < kCalls; ++i) {
        CallRecord record;
        EXPECT_FALSE(served.service()->Admit({.request_id = "not valid"}, &record).ok());
        served.service()->Ended(record, UnimplementedError("x"));
        EXPECT_EQ(record.request_id.view().size(), 16U);
        EXPECT_EQ(record.trace.parent_id, (std::array<uint8_t, 8>{}));
        MutexLock lock(&mutex);
        names.emplace(record.request_id.view());
        names.insert(record.trace.TraceIdHex());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(names.size(), 2 * 4 * kCalls);
}

TEST(CallNames, ComeBackWithAnswersAndErrors) {
  const ServedDatabase served;
  const Method& info = *FindMethod("/leadline.v1.Maintenance/Info");
  const auto id_of = [&](const std::string& path, const std::string& sent) {
    return CallRaw(served.address(), path, v1::InfoRequest(), {{"x-request-id", sent}})
        .trailers["x-request-id"];
  };
  EXPECT_EQ(id_of(info.path, "order-66_B"), "order-66_B");
  EXPECT_EQ(id_of("/leadline.v1.Nothing/Nothing", "order-67"), "order-67");
  EXPECT_EQ(id_of("/leadline.v1.Records/Upsert", "order-68"), "order-68");
  const std::string made = id_of(info.path, "two words");
  EXPECT_EQ(made.size(), 16U);
  EXPECT_TRUE(RequestId::Valid(made));
}

}  // namespace
}  // namespace leadline::rpc
