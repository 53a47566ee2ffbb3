// Traffic that is no gRPC, or too much of it, against the program as it is served: it lives, others
// are served, its memory stays within the stated bound.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "leadline/v1/common.pb.h"
#include "leadline/v1/records.pb.h"
#include "leadline/v1/search.pb.h"
#include "raw_http2.h"
#include "served_program.h"
#include "status_matchers.h"
#include "temp_dir.h"
#include "test_environment.h"

namespace leadline::rpc {
namespace {

using http2::BigEndian;
using http2::CallFields;
using http2::Field;
using http2::Frame;
using http2::FrameHead;
using http2::Message;
using http2::Peer;
using http2::Setting;
using Clock = std::chrono::steady_clock;

constexpr char kInfo[] = "/leadline.v1.Maintenance/Info";
constexpr char kIngest[] = "/leadline.v1.Records/Ingest";
constexpr int64_t kMiB = 1 << 20;

/// One frame of headers that opens a call.
std::string Open(uint32_t stream, const char* path, uint8_t flags = 0, std::string_view more = "") {
  return Frame(http2::kHeaders, http2::kEndHeaders | flags, stream, CallFields(path, more));
}

class GrpcHostile : public ::testing::Test {
 protected:
  GrpcHostile()
      : served_(std::make_unique<ServedProgram>(dir_.file("db"),
                                                std::vector<std::string>{"--cut-pause-ms", "0"})),
        client_(served_->Connect()) {
    EXPECT_OK(client_->ListCollections());
  }

  ~GrpcHostile() override {
    ExpectServes();
    client_.reset();
    const testing::ProgramOutput output = served_->Stop();
    EXPECT_EQ(output.exit_code, 0);
    if (cuts_) {
      EXPECT_NE(output.err.find("connections cut"), std::string::npos) << output.err;
    }
  }

  [[nodiscard]] int port() const { return served_->port(); }

  /// Both an old connection and a new one are served, within the minute that a call has.
  void ExpectServes() const {
    EXPECT_OK(client_->ListCollections());
    const auto newer = Client::Connect("127.0.0.1:" + std::to_string(port()));
    EXPECT_OK(newer);
    if (newer.ok()) {
      EXPECT_OK((*newer)->ListCollections());
    }
  }

  /// What the program has in memory, in MiB.
  [[nodiscard]] double ResidentMiB() const {
    std::ifstream status("/proc/" + std::to_string(served_->program().pid()) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) {
        return std::stod(line.substr(6)) / 1024;
      }
    }
    ADD_FAILURE() << "the program is gone";
    return 0;
  }

  /// Runs `attack` and then expects the memory to have grown by no more than `most_mib`, at its end
  /// and whenever it was looked at.
  void Attack(double most_mib, const std::function<void()>& attack) {
    const double before = ResidentMiB();
    double peak = before;
    std::atomic<bool> over{false};
    std::thread watcher([&] {
      while (!over.load()) {
        peak = std::max(peak, ResidentMiB());
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
    });
    attack();
    ExpectServes();
    over.store(true);
    watcher.join();
    std::printf("resident: %.0f MiB before, %.0f at most, %.0f after\n", before, peak,
                ResidentMiB());
    if (!testing::kSanitized) {
      EXPECT_LE(peak - before, most_mib);
    }
  }

  testing::TempDir dir_;
  std::unique_ptr<ServedProgram> served_;
  std::unique_ptr<Database> client_;
  bool cuts_ = false;  // connections, and has to say so
};

TEST_F(GrpcHostile, WhatIsNoPrefaceIsClosed) {
  const std::string preface(http2::kPreface);
  std::vector<std::string> starts = {
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "POST /leadline.v1.Search/Search HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
      std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11),
      std::string(100'000, '\0'),
      std::string(100'000, '\xff'),
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX",
      preface + preface,
      preface + std::string(9, '\xff'),
      preface + Frame(http2::kPing, 0, 0, "12345678"),  // settings must come first
  };
  Attack(16, [&] {
    for (const std::string& start : starts) {
      SCOPED_TRACE(start.substr(0, 30));
      Peer peer(port());
      peer.Send(start);
      ::shutdown(peer.fd(), SHUT_WR);
      EXPECT_TRUE(peer.WaitForEnd());
    }
    for (size_t cut = 0; cut < preface.size(); ++cut) {
      Peer peer(port());
      peer.Send(preface.substr(0, cut));
      ::shutdown(peer.fd(), SHUT_WR);
      EXPECT_TRUE(peer.WaitForEnd()) << cut;
    }
  });
}

/// Frames that break a rule of RFC 9113, each on a connection that was begun well.
std::vector<std::pair<const char*, std::string>> WrongFrames() {
  const std::string call = Open(1, kInfo);
  return {
      {"settings of 5 bytes", Frame(http2::kSettings, 0, 0, "12345")},
      {"settings on a stream", Frame(http2::kSettings, 0, 1, "")},
      {"an acknowledgement with a payload", Frame(http2::kSettings, http2::kAck, 0, "123456")},
      {"a window of 2^31", Frame(http2::kSettings, 0, 0, Setting(4, 0x80000000))},
      {"frames of 1 byte", Frame(http2::kSettings, 0, 0, Setting(5, 1))},
      {"a ping of 7 bytes", Frame(http2::kPing, 0, 0, "1234567")},
      {"a ping on a stream", Frame(http2::kPing, 0, 1, "12345678")},
      {"a window update of 3 bytes", Frame(http2::kWindowUpdate, 0, 0, "123")},
      {"a window update of nothing", Frame(http2::kWindowUpdate, 0, 0, BigEndian(0, 4))},
      {"a window beyond 2^31", Frame(http2::kWindowUpdate, 0, 0, BigEndian(0x7fffffff, 4)) +
                                   Frame(http2::kWindowUpdate, 0, 0, BigEndian(0x7fffffff, 4))},
      {"a reset of 3 bytes", call + Frame(http2::kReset, 0, 1, "123")},
      {"a reset of the connection", Frame(http2::kReset, 0, 0, BigEndian(8, 4))},
      {"a reset of nothing", Frame(http2::kReset, 0, 5, BigEndian(8, 4))},
      {"headers of the connection",
       Frame(http2::kHeaders, http2::kEndHeaders, 0, CallFields(kInfo))},
      {"headers on an even stream",
       Frame(http2::kHeaders, http2::kEndHeaders, 2, CallFields(kInfo))},
      {"more padding than frame",
       Frame(http2::kHeaders, http2::kEndHeaders | http2::kPadded, 1, "\xff")},
      {"headers cut in a field",
       Frame(http2::kHeaders, http2::kEndHeaders, 1, CallFields(kInfo).substr(0, 20))},
      {"an index that is not there",
       Frame(http2::kHeaders, http2::kEndHeaders, 1, "\xff\xff\xff\xff\x0f")},
      {"an integer without an end",
       Frame(http2::kHeaders, http2::kEndHeaders, 1, std::string(20, '\xff'))},
      {"bad Huffman code",
       Frame(http2::kHeaders, http2::kEndHeaders, 1, std::string("\x00\x84\xff\xff\xff\xff", 6))},
      {"a table of 2^32",
       Frame(http2::kHeaders, http2::kEndHeaders, 1, "\x3f\xe1\xff\xff\xff\x0f")},
      {"no method", Frame(http2::kHeaders, http2::kEndHeaders, 1, Field(":path", "/a/b"))},
      {"headers twice", call + call},
      {"lower stream", Open(7, kInfo) + Open(5, kInfo)},
      {"data of the connection", Frame(http2::kData, 0, 0, "data")},
      {"data of nothing", Frame(http2::kData, 0, 9, "data")},
      {"data after the end", Open(1, kInfo, http2::kEndStream) + Frame(http2::kData, 0, 1, "data")},
      {"data beyond the window",
       call + std::string(FrameHead(16384, http2::kData, 0, 1) + std::string(16384, '\1'))},
      {"a frame of 16 MiB", FrameHead(0xffffff, http2::kData, 0, 1) + std::string(1 << 20, '\1')},
      {"continuation of nothing",
       Frame(http2::kContinuation, http2::kEndHeaders, 1, CallFields(kInfo))},
      {"data between headers",
       Frame(http2::kHeaders, 0, 1, CallFields(kInfo)) + Frame(http2::kData, 0, 1, "data")},
      {"a promise",
       Frame(http2::kPushPromise, http2::kEndHeaders, 1, BigEndian(2, 4) + CallFields(kInfo))},
      {"a goodbye of 3 bytes", Frame(http2::kGoAway, 0, 0, "123")},
      {"a priority of 4 bytes", Frame(http2::kPriority, 0, 1, "1234")},
      {"an unknown frame", Frame(0x55, 0xff, 77, "anything")},
      {"a cut head", std::string("\x00\x00", 2)},
      {"a cut frame", FrameHead(100, http2::kHeaders, http2::kEndHeaders, 1) + "1234"},
  };
}

TEST_F(GrpcHostile, WrongFramesEndOrAreIgnored) {
  Attack(32, [this] {
    for (const auto& [what, frames] : WrongFrames()) {
      SCOPED_TRACE(what);
      Peer peer(port());
      peer.Begin();
      peer.Send(frames);
      ::shutdown(peer.fd(), SHUT_WR);
      EXPECT_TRUE(peer.WaitForEnd());
    }
  });
}

/// A frame of a random kind, often sound, on one of few streams.
std::string RandomFrame(Rng* rng) {
  const auto type = static_cast<uint8_t>(rng->Uniform(11));
  const auto flags = static_cast<uint8_t>(rng->Uniform(2) == 0 ? rng->Next() : http2::kEndHeaders);
  const auto stream = static_cast<uint32_t>(rng->Uniform(4) == 0 ? 0 : rng->Uniform(20));
  std::string payload;
  switch (rng->Uniform(4)) {
    case 0:
      payload = CallFields(rng->Uniform(2) == 0 ? kInfo : kIngest);
      break;
    case 1:
      payload = BigEndian(rng->Next(), static_cast<int>(rng->Uniform(9)));
      break;
    case 2:
      payload = Message(std::string(rng->Uniform(200), '\x0a'));
      break;
    default:
      for (size_t i = rng->Uniform(64); i > 0; --i) {
        payload += static_cast<char>(rng->Next());
      }
  }
  std::string frame = Frame(type, flags, stream, payload);
  if (rng->Uniform(8) == 0) {
    frame[rng->Uniform(frame.size())] = static_cast<char>(rng->Next());
  }
  return frame;
}

TEST_F(GrpcHostile, RandomFramesEndNothingElse) {
  Rng rng(testing::TestSeed(4));
  const uint64_t most = testing::FromEnvironment("LEADLINE_FRAMES", 200'000);
  uint64_t frames = 0;
  Attack(64, [&] {
    while (frames < most) {
      Peer peer(port());
      bool open = peer.Begin();
      for (int i = 0; i < 200 && open; ++i) {
        std::string some;
        for (int j = 0; j < 4; ++j, ++frames) {
          some += RandomFrame(&rng);
        }
        open = peer.Send(some);
        peer.Received();
        open = open && !peer.ended();
      }
    }
  });
  std::printf("%llu frames\n", static_cast<unsigned long long>(frames));
}

TEST_F(GrpcHostile, LargeHeadersAreRefused) {
  Attack(64, [this] {
    const std::pair<const char*, std::string> blocks[] = {
        {"10,000 fields",
         [] {
           std::string fields;
           for (int i = 0; i < 10'000; ++i) {
             fields += Field("x-" + std::to_string(i), "v");
           }
           return fields;
         }()},
        {"a field of 1 MiB", Field("x", std::string(kMiB, 'v'))},
        {"a name of 1 MiB", Field(std::string(kMiB, 'n'), "v")},
        // One field of 4 KB in the table, named 100,000 times: 400 MB where all are kept.
        {"a bomb", Field("x", std::string(3900, 'v'), true) + std::string(100'000, '\xbe')},
        {"sizes of the table",
         [] {
           std::string sizes;
           for (int i = 0; i < 50'000; ++i) {
             sizes += std::string("\x20\x3f\xe1\x1f", 4);
           }
           return sizes;
         }()},
    };
    for (const auto& [what, block] : blocks) {
      SCOPED_TRACE(what);
      for (int round = 0; round < 5; ++round) {
        Peer peer(port());
        peer.Begin();
        const std::string fields = CallFields(kInfo) + block;
        peer.Send(Frame(http2::kHeaders, 0, 1, std::string_view(fields).substr(0, 16'000)));
        for (size_t at = 16'000; at < fields.size(); at += 16'000) {
          const bool last = at + 16'000 >= fields.size();
          peer.Send(Frame(http2::kContinuation, last ? http2::kEndHeaders : 0, 1,
                          std::string_view(fields).substr(at, 16'000)));
        }
        peer.Send(Frame(http2::kData, http2::kEndStream, 1, Message("")));
        ::shutdown(peer.fd(), SHUT_WR);
        EXPECT_TRUE(peer.WaitForEnd());
      }
    }
  });
}

TEST_F(GrpcHostile, HeadersWithoutAnEndAreCut) {
  cuts_ = true;
  // One value that is announced as 2 GiB, one name, and small fields without an end.
  const std::string starts[] = {
      Field("x", "").substr(0, 3) + http2::Integer(uint64_t{2} << 30, 7, 0),
      std::string(1, '\0') + http2::Integer(uint64_t{2} << 30, 7, 0),
      "",
  };
  for (const std::string& start : starts) {
    Attack(128, [&] {
      Peer peer(port());
      peer.Begin();
      peer.Send(Frame(http2::kHeaders, 0, 1, CallFields(kInfo) + start));
      std::string more;
      while (more.size() < 16'000) {
        more += start.empty() ? Field("x-more", "value") : std::string(100, 'v');
      }
      const std::string frame = Frame(http2::kContinuation, 0, 1, more);
      int64_t sent = 0;
      const auto begin = Clock::now();
      while (sent < 256 * kMiB && peer.Send(frame)) {
        sent += static_cast<int64_t>(frame.size());
        peer.Received();
      }
      const std::chrono::duration<double> passed = Clock::now() - begin;
      std::printf("took %lld MiB in %.2f s\n", static_cast<long long>(sent / kMiB), passed.count());
      EXPECT_LT(sent, 64 * kMiB);
    });
  }
}

TEST_F(GrpcHostile, RapidResetsDoNotPileUp) {
  const auto flood = [this] {
    for (int connection = 0; connection < 20; ++connection) {
      Peer peer(port());
      bool open = peer.Begin("", connection % 2 == 0);
      uint32_t stream = 1;
      for (int i = 0; i < 100 && open; ++i) {
        std::string frames;
        for (int j = 0; j < 50; ++j, stream += 2) {
          frames += Open(stream, j % 2 == 0 ? kInfo : kIngest);
          frames += Frame(http2::kReset, 0, stream, BigEndian(8, 4));
        }
        open = peer.Send(frames);
        peer.Received();
      }
      if (connection % 5 == 0) {
        ExpectServes();
      }
    }
  };
  // gRPC reads streams faster than anybody can take them from it, some kilobytes each: as much
  // waits as comes before the connection is cut, 1.4 GiB where all 100,000 do. That memory is used
  // again: four floods take no more than twice that.
  Attack(3072, [&flood] {
    for (int i = 0; i < (testing::kSanitized ? 1 : 4); ++i) {
      flood();
    }
  });
}

TEST_F(GrpcHostile, CallsAreBoundedForThoseWhoAcknowledgeNothing) {
  Peer few(port());
  few.Begin("", false);
  for (uint32_t stream = 1; stream < 400; stream += 2) {
    ASSERT_TRUE(few.Send(Open(stream, kIngest)));
  }
  EXPECT_TRUE(few.WaitFor("more than 128 calls at a time over one connection"));
  EXPECT_FALSE(few.ended());
  // Some kilobytes for each that is read before the connection is cut.
  Attack(256, [this] {
    Peer peer(port());
    peer.Begin("", false);
    uint32_t stream = 1;
    for (int i = 0; i < 10'000 && peer.Send(Open(stream, kIngest)); ++i, stream += 2) {
      peer.Received();
    }
    EXPECT_TRUE(peer.WaitForEnd());
  });
}

TEST_F(GrpcHostile, FloodsThatWantAnAnswerAreBounded) {
  const std::pair<const char*, std::string> floods[] = {
      {"pings", Frame(http2::kPing, 0, 0, "12345678")},
      {"settings", Frame(http2::kSettings, 0, 0, Setting(4, 65535))},
      {"priorities", Frame(http2::kPriority, 0, 1, std::string("\0\0\0\0\1", 5))},
      {"window updates", Frame(http2::kWindowUpdate, 0, 0, BigEndian(1, 4))},
      {"empty data", Frame(http2::kData, 0, 1, "")},
      {"unknown frames", Frame(0x55, 0, 1, "anything")},
  };
  for (const auto& [what, frame] : floods) {
    SCOPED_TRACE(what);
    std::string many;
    while (many.size() < 64'000) {
      many += frame;
    }
    Attack(96, [&, name = what] {
      Peer peer(port());
      peer.Begin();
      peer.Send(Open(1, kIngest));
      int64_t sent = 0;
      // Never reads: what the server wants to answer stays with it.
      while (sent < 200 * kMiB && peer.Send(many)) {
        sent += static_cast<int64_t>(many.size());
      }
      std::printf("%s: took %lld MiB\n", name, static_cast<long long>(sent / kMiB));
    });
  }
}

TEST_F(GrpcHostile, DamagedMessagesAreRefusedWithTheirReason) {
  const std::string info = Message("");

  const struct {
    const char* what;
    std::string fields;
    std::string data;
    int status;
  } calls[] = {
      {"a sound one", "", info, 0},
      {"garbage", "", Message("\xff\xff\xff"), 3},
      {"fewer bytes than announced", "", info.substr(0, 1) + BigEndian(100, 4) + "short", 3},
      {"a cut prefix", "", info.substr(0, 3), 3},
      {"nothing", "", "", 3},
      {"4 GiB announced", "", info.substr(0, 1) + BigEndian(0xffffffff, 4), 3},
      {"more than the limit", "", info.substr(0, 1) + BigEndian(16 * kMiB + 1, 4), 3},
      // Taken for what they are: nothing was compressed.
      {"compressed, it says", "", Message("\x08\x01", true), 0},
      {"unknown compression", Field("grpc-encoding", "snappy"), Message("\x08\x01", true), 0},
      {"switched off compression", Field("grpc-encoding", "gzip"), Message("\x08\x01", true), 12},
      {"a deadline that passed", Field("grpc-timeout", "0n"), info, 4},
      {"a binary field that is none", Field("x-bin", "\x01!!"), info, -1},
      {"no such method", "", info, 12},
  };

  for (const auto& call : calls) {
    SCOPED_TRACE(call.what);
    Peer peer(port());
    peer.Begin();
    const bool none = std::string_view(call.what) == "no such method";
    peer.Send(Open(1, none ? "/leadline.v1.Nothing/Nothing" : kInfo, 0, call.fields) +
              Frame(http2::kData, http2::kEndStream, 1, call.data));
    const int status = peer.WaitForStatus();
    EXPECT_TRUE(call.status == -1 || status == call.status) << status;
    ExpectServes();
  }
}

}  // namespace
}  // namespace leadline::rpc
