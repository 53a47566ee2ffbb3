// Thousands of connections that rest, and callers that take or send next to nothing: they cost
// little, end where they must, and others are served.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/v1/records.pb.h"
#include "raw_http.h"
#include "raw_http2.h"
#include "served_database.h"
#include "served_program.h"
#include "test_environment.h"

namespace leadline::rpc {
namespace {

using http2::CallFields;
using http2::Frame;
using http2::FrameHead;
using http2::Peer;
using http2::Setting;

constexpr int kConnections = 5'000;
/// Of each resting connection, in KiB: twice what was measured, and more.
constexpr double kMostGrpcKiB = 32;
constexpr double kMostHttpKiB = 12;

double ResidentKiB(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) {
      return std::stod(line.substr(6));
    }
  }
  return 0;
}

/// Room for both ports' connections here and, by inheritance, in the program. False where the
/// system has none.
bool RaiseFileLimit() {
  rlimit files = {};
  constexpr rlim_t kNeeded = 4 * kConnections;  // a quarter of them are for HTTP
  ::getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < kNeeded) {
    return false;
  }
  files.rlim_cur = std::max(files.rlim_cur, kNeeded);
  return ::setrlimit(RLIMIT_NOFILE, &files) == 0;
}

/// The mean, in ms, of calls over an old and over new connections.
double MeanCallMs(const ServedProgram& served, Database* client, RawHttp* http) {
  constexpr int kCalls = 50;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kCalls; ++i) {
    EXPECT_OK(client->ListCollections());
    EXPECT_OK(served.Connect()->ListCollections());
    EXPECT_EQ(http->Ask("GET", "/v1/collections").status, 200);
  }
  const std::chrono::duration<double, std::milli> passed = std::chrono::steady_clock::now() - begin;
  return passed.count() / (3 * kCalls);
}

TEST(ConnectionFlood, FiveThousandRestingConnectionsOnEachPort) {
  if (!RaiseFileLimit()) {
    GTEST_SKIP() << "the hard limit on open files is below " << 4 * kConnections;
  }
  const testing::TempDir dir;
  ServedProgram served(dir.file("db"));
  std::unique_ptr<Database> client = served.Connect();
  RawHttp http(served.http_port());
  const pid_t pid = served.program().pid();
  const double alone_ms = MeanCallMs(served, client.get(), &http);
  const auto measure = [&](const char* what, double most, const std::function<void()>& open) {
    const double before = ResidentKiB(pid);
    open();
    EXPECT_OK(client->ListCollections());
    const double each = (ResidentKiB(pid) - before) / kConnections;
    std::printf("%s: %.1f KiB a connection\n", what, each);
    if (!testing::kSanitized) {
      EXPECT_LT(each, most) << what;
    }
  };
  std::vector<std::unique_ptr<Peer>> peers;
  measure("gRPC", kMostGrpcKiB, [&] {
    for (int i = 0; i < kConnections; ++i) {
      peers.push_back(std::make_unique<Peer>(served.port()));
      ASSERT_TRUE(peers.back()->Begin());
    }
    for (const auto& peer : peers) {  // settings, and their acknowledgement
      ASSERT_TRUE(peer->WaitFor(Frame(http2::kSettings, http2::kAck, 0)));
    }
  });
  std::vector<std::unique_ptr<RawHttp>> clients;
  measure("HTTP", kMostHttpKiB, [&] {
    for (int i = 1; i < kConnections; ++i) {  // `http` is one
      clients.push_back(std::make_unique<RawHttp>(served.http_port()));
      ASSERT_EQ(clients.back()->Ask("GET", "/livez").status, 200);
    }
  });
  const double beside_ms = MeanCallMs(served, client.get(), &http);
  std::printf("a call: %.2f ms alone, %.2f ms beside %d connections\n", alone_ms, beside_ms,
              2 * kConnections);
  // They are still there, and good.
  for (size_t i = 0; i < clients.size(); i += 500) {
    EXPECT_EQ(clients[i]->Ask("GET", "/livez").status, 200);
    EXPECT_TRUE(peers[i]->Send(Frame(http2::kPing, 0, 0, "12345678")));
    EXPECT_TRUE(peers[i]->WaitFor("12345678"));
  }
  client.reset();
  peers.clear();
  clients.clear();
  served.program().Signal(SIGTERM);
  EXPECT_EQ(served.program().Wait().exit_code, 0);
}

/// A database with an answer of some kilobytes behind servers that are not patient.
class SlowCallers : public ::testing::Test {
 protected:
  static GrpcServerOptions Impatient() {
    GrpcServerOptions options;
    options.transfer_ms = 500;
    return options;
  }

  SlowCallers() : served_({}, Impatient()) {
    CollectionOptions options;
    options.vectors = {{.dim = 1}};
    const auto docs = *served_.database()->CreateCollection("docs", options);
    std::vector<Record> records(64);
    for (size_t i = 0; i < records.size(); ++i) {
      records[i].id = std::to_string(i);
      records[i].vector = {1};
      records[i].payload = "{\"text\":\"" + std::string(1'000, 'x') + "\"}";
    }
    EXPECT_OK(docs->Upsert(std::move(records)).status());
  }

  [[nodiscard]] int port() const { return served_.server()->port(); }

  /// The frames of a whole call.
  static std::string Call(uint32_t stream, const char* path,
                          const google::protobuf::Message& request) {
    return Frame(http2::kHeaders, http2::kEndHeaders, stream, CallFields(path)) +
           Frame(http2::kData, http2::kEndStream, stream,
                 http2::Message(request.SerializeAsString()));
  }

  static v1::ScrollRequest AllOfIt() {
    v1::ScrollRequest request;
    request.set_collection("docs");
    return request;
  }

  ServedDatabase served_;
};

TEST_F(SlowCallers, AnswersThatNobodyTakesEnd) {
  for (const char* path : {"/leadline.v1.Records/Page", "/leadline.v1.Records/Scroll"}) {
    SCOPED_TRACE(path);
    std::vector<std::unique_ptr<Peer>> peers;
    for (int i = 0; i < 16; ++i) {
      peers.push_back(std::make_unique<Peer>(port()));
      ASSERT_TRUE(peers.back()->Begin(Setting(4, 0)));  // windows of nothing
      ASSERT_TRUE(peers.back()->Send(Call(1, path, AllOfIt())));
    }
    EXPECT_OK(served_.Connect()->ListCollections());
    for (const auto& peer : peers) {  // half a second, and what 64 KiB may take
      EXPECT_TRUE(peer->WaitFor(FrameHead(4, http2::kReset, 0, 1)));
    }
  }
}

TEST_F(SlowCallers, OneByteATimeHoldsUpNobody) {
  v1::CountRequest request;
  request.set_collection("docs");
  const std::string call = Call(1, "/leadline.v1.Records/Count", request);
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 100; ++i) {
    peers.push_back(std::make_unique<Peer>(port()));
    ASSERT_TRUE(peers.back()->Begin());
  }
  for (const char byte : call) {
    for (const auto& peer : peers) {
      ASSERT_TRUE(peer->Send(std::string(1, byte)));
    }
    EXPECT_OK(served_.database()->ListCollections());
  }
  for (const auto& peer : peers) {
    EXPECT_EQ(peer->WaitForStatus(), 0);
  }
  EXPECT_OK(served_.Connect()->ListCollections());
}

TEST_F(SlowCallers, LargeMessagesAreNoFlood) {
  for (const char* address : {"127.0.0.1", "[::1]"}) {
    SCOPED_TRACE(address);
    GrpcServerOptions options;
    options.address = std::string(address) + ":0";
    const auto server = GrpcServer::Start(served_.service(), options);
    if (!server.ok() && options.address.starts_with('[')) {
      std::printf("no IPv6 here: %s\n", server.status().ToString().c_str());
      continue;
    }
    ASSERT_OK(server);
    ClientOptions once;
    once.max_retries = 0;
    const auto client =
        Client::Connect(std::string(address) + ":" + std::to_string((*server)->port()), once);
    ASSERT_OK(client);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&client, t] {
        std::vector<Record> records(12);
        for (size_t i = 0; i < records.size(); ++i) {
          records[i].id = std::to_string(t) + "-" + std::to_string(i);
          records[i].vector = {1};
          records[i].payload = "{\"text\":\"" + std::string(1'000'000, 'x') + "\"}";
        }
        const auto docs = (*client)->OpenCollection("docs");
        EXPECT_OK((*docs)->Upsert(records).status());
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
}

TEST_F(SlowCallers, StreamsMayRest) {
  Peer peer(port());
  ASSERT_TRUE(peer.Begin());
  v1::UpsertRequest request;
  request.set_collection("docs");
  request.add_records()->set_id("new");
  request.mutable_records(0)->add_vector(1);
  ASSERT_TRUE(peer.Send(
      Frame(http2::kHeaders, http2::kEndHeaders, 1, CallFields("/leadline.v1.Records/Ingest")) +
      Frame(http2::kData, 0, 1, http2::Message(request.SerializeAsString()))));
  std::this_thread::sleep_for(std::chrono::milliseconds(1'500));
  ASSERT_TRUE(peer.Send(
      Frame(http2::kData, http2::kEndStream, 1, http2::Message(request.SerializeAsString()))));
  EXPECT_EQ(peer.WaitForStatus(), 0);
}

}  // namespace
}  // namespace leadline::rpc
