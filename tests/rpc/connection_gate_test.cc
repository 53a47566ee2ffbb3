// So many connections at a time and no more; what is closed makes room; nothing that strangers open
// keeps others from their calls.

#include <chrono>
#include <csignal>
#include <optional>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "../cli/program_runner.h"
#include "raw_connection.h"
#include "raw_http2.h"
#include "served_database.h"

namespace leadline::rpc {
namespace {

using testing::Json;
using testing::RunningProgram;

/// Connects until the server speaks: room comes some time after a connection was closed.
std::optional<RawConnection> ConnectInTime(int port) {
  for (int i = 0; i < 200; ++i) {
    RawConnection connection(port);
    if (connection.Hears()) {
      return connection;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return std::nullopt;
}

GrpcServerOptions AtMost(size_t connections) {
  GrpcServerOptions options;
  options.max_connections = connections;
  return options;
}

TEST(ConnectionGate, TheBoundIsHeldAndClosedConnectionsMakeRoom) {
  const ServedDatabase served({}, AtMost(3));
  const int port = served.server()->port();
  std::vector<RawConnection> open;
  for (int i = 0; i < 3; ++i) {
    open.emplace_back(port);
    EXPECT_TRUE(open.back().Hears());
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(RawConnection(port).Hears());
  }
  for (int round = 0; round < 3; ++round) {
    open.pop_back();
    std::optional<RawConnection> next = ConnectInTime(port);
    ASSERT_TRUE(next.has_value());
    open.push_back(*std::move(next));
    EXPECT_FALSE(RawConnection(port).Hears());
  }
  open.clear();
  const auto client = served.Connect();
  EXPECT_OK(client->ListCollections());
}

TEST(ConnectionGate, CallsGoOnBesideThousandsOfIdleConnections) {
  rlimit files = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  if (files.rlim_max < 5'000) {
    GTEST_SKIP() << "the limit on open files is " << files.rlim_max;
  }
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  const ServedDatabase served({}, AtMost(2'100));
  const auto client = served.Connect();
  std::vector<RawConnection> idle;
  for (int i = 0; i < 2'000; ++i) {
    idle.emplace_back(served.server()->port());
    if (i % 100 == 0) {
      EXPECT_OK(client->ListCollections());
    }
  }
  for (const RawConnection& connection : idle) {
    ASSERT_TRUE(connection.Hears());
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_OK(client->ListCollections());
    EXPECT_OK(served.Connect()->ListCollections());
  }
}

TEST(ConnectionGate, ConnectionsThatSayNothingAreClosed) {
  GrpcServerOptions options;
  options.handshake_timeout_ms = 200;
  const ServedDatabase served({}, options);
  const auto client = served.Connect();
  const RawConnection silent(served.server()->port());
  EXPECT_TRUE(silent.Ends());
  EXPECT_OK(client->ListCollections());  // who finished the handshake stays
}

TEST(ConnectionGate, WhoIsCutForFloodingWaitsToComeAgain) {
  GrpcServerOptions options;
  options.cut_pause_ms = 400;
  const ServedDatabase served({}, options);
  const auto client = served.Connect();
  // One header that is announced as 2 GiB.
  const std::string head =
      http2::Frame(http2::kHeaders, 0, 1,
                   http2::CallFields("/x") + http2::Field("x", "").substr(0, 3) +
                       http2::Integer(uint64_t{2} << 30, 7, 0));
  const std::string more = http2::Frame(http2::kContinuation, 0, 1, std::string(16'000, 'v'));
  int heard = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (std::chrono::steady_clock::now() < end) {
    http2::Peer peer(served.server()->port());
    peer.Begin();
    heard += peer.WaitFor(std::string_view("\0\0\0\4\1", 5)) ? 1 : 0;  // acknowledged settings
    peer.Send(head);
    while (peer.Send(more)) {
    }
    EXPECT_OK(client->ListCollections()) << "what is open goes on";
  }
  EXPECT_GE(heard, 2);
  EXPECT_LE(heard, 8) << "after 0, 100, 300, 700, 1,100, 1,500, 1,900 and 2,300 ms at the earliest";
}

TEST(ConnectionGate, MoreConnectionsThanDescriptorsAreRefused) {
  rlimit files = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  GrpcServerOptions options = AtMost(files.rlim_cur / 2 + 1);
  options.address = "127.0.0.1:0";
  const ServedDatabase served;
  EXPECT_THAT(GrpcServer::Start(served.service(), options),
              testing::StatusIs(StatusCode::kInvalidArgument, "--connections"));
}

TEST(ConnectionGate, AServerOutOfDescriptorsRefusesAndGoesOn) {
  const testing::TempDir dir;
  RunningProgram program(
      {"serve", dir.file("db"), "--grpc", "127.0.0.1:0", "--http", "", "--json"});
  std::string line;
  ASSERT_TRUE(program.ReadLine(&line));
  const int port = Json::parse(line, nullptr, false).value("grpc_port", 0);
  const auto client = Client::Connect("127.0.0.1:" + std::to_string(port));
  ASSERT_OK(client);
  // Room for few more: the server had 2 to 4 dozen open after its start.
  size_t used = 0;
  ASSERT_OK_AND_ASSIGN(const auto names, FileSystem::Posix()->ListDirectory(
                                             "/proc/" + std::to_string(program.pid()) + "/fd"));
  used = names.size();
  const rlimit few = {used + 8, used + 8};
  ASSERT_EQ(::prlimit(program.pid(), RLIMIT_NOFILE, &few, nullptr), 0);
  int heard = 0;
  {
    std::vector<RawConnection> open;
    for (int i = 0; i < 40; ++i) {
      open.emplace_back(port);
      heard += open.back().Hears() ? 1 : 0;
    }
    EXPECT_GT(heard, 0);
    EXPECT_LT(heard, 12);
    EXPECT_OK((*client)->ListCollections());
  }
  EXPECT_TRUE(ConnectInTime(port).has_value());
  EXPECT_OK((*client)->ListCollections());
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait().exit_code, 0);
}

}  // namespace
}  // namespace leadline::rpc
