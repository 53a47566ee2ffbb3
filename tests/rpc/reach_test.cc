// Who can reach a server, and what it needs for that: addresses, the command line, and tokens that
// do not leave this machine unencrypted.

#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>

#include "../cli/program_runner.h"
#include "leadline/client.h"
#include "leadline/rpc/address.h"
#include "served_database.h"
#include "test_authority.h"

namespace leadline::rpc {
namespace {

using testing::Json;
using testing::Leadline;
using testing::ProgramOutput;
using testing::RunningProgram;
using testing::StatusIs;

TEST(Reach, AddressesAreOfThisMachineOrNot) {
  for (const char* text :
       {"127.0.0.1:0", "127.9.9.9:7701", "localhost:1", "[::1]:65535", "unix:a", "unix:///a/b"}) {
    ASSERT_OK_AND_ASSIGN(const Address address, ParseAddress("a", text));
    EXPECT_TRUE(IsThisMachine(address)) << text;
    EXPECT_OK(CheckReach("--grpc", text, false, false)) << text;
  }
  for (const char* text :
       {"0.0.0.0:0", "[::]:0", "192.0.2.1:7701", "example.org:1", "128.0.0.1:1",
        "localhost.example.org:1", "127.0.0.1.example.org:1", "[::ffff:127.0.0.1]:1", "0:1",
        "127.1:1", "2130706433:1", "LOCALHOST:1"}) {
    ASSERT_OK_AND_ASSIGN(const Address address, ParseAddress("a", text));
    EXPECT_FALSE(IsThisMachine(address)) << text;
    const Status neither = CheckReach("--grpc", text, false, false);
    EXPECT_THAT(neither,
                StatusIs(StatusCode::kInvalidArgument, "--tls-cert and --tls-key) and a token"));
    EXPECT_EQ(neither.field(), "--grpc");
    EXPECT_THAT(CheckReach("--grpc", text, false, true),
                StatusIs(StatusCode::kInvalidArgument, "without TLS"));
    EXPECT_THAT(CheckReach("--grpc", text, true, false),
                StatusIs(StatusCode::kInvalidArgument, "without a token"));
    EXPECT_OK(CheckReach("--grpc", text, true, true)) << text;
  }
  for (const char* text : {"", ":1", "host", "host:", "host:x", "host:65536", "host:-1", "host: 1",
                           "::1:1", "unix:", "dns:///a:1", "ipv4:127.0.0.1:1",
                           "ipv4:127.0.0.1:1,192.0.2.1:1", "[]:1", "http://a:1"}) {
    EXPECT_THAT(ParseAddress("a", text), StatusIs(StatusCode::kInvalidArgument)) << text;
  }
}

class ReachedProgram : public ::testing::Test {
 protected:
  ReachedProgram() {
    const Issued issued = authority_.Issue();
    WriteSecret(dir_.file("crt"), issued.certificate);
    WriteSecret(dir_.file("key"), issued.key);
    WriteSecret(dir_.file("ca"), authority_.pem());
  }

  [[nodiscard]] std::vector<std::string> Serve(bool tls,
                                               const std::string& address = "0.0.0.0:0") const {
    std::vector<std::string> words = {"serve", db_, "--grpc", address, "--http", "", "--json"};
    if (tls) {
      words.insert(words.end(), {"--tls-cert", dir_.file("crt"), "--tls-key", dir_.file("key")});
    }
    return words;
  }

  static void ExpectRefused(const std::vector<std::string>& words, const std::string& why) {
    const ProgramOutput output = Leadline(words);
    EXPECT_EQ(output.exit_code, 2) << output.out;
    EXPECT_NE(output.err.find(why), std::string::npos) << output.err;
  }

  testing::TempDir dir_;
  const std::string db_ = dir_.file("db");
  TestAuthority authority_;
};

TEST_F(ReachedProgram, OthersReachItOnlyOverTlsAndWithAToken) {
  ExpectRefused(Serve(false), "without TLS (--tls-cert and --tls-key) and a token");
  ExpectRefused(Serve(true), "without a token");
  // A database comes with its first open; a refused start makes none.
  EXPECT_THAT(Database::Open(db_), StatusIs(StatusCode::kNotFound));
  {
    RunningProgram local(Serve(true, "127.0.0.1:0"));
    std::string line;
    ASSERT_TRUE(local.ReadLine(&line)) << local.Wait().err;
    local.Signal(SIGTERM);
    EXPECT_EQ(local.Wait().exit_code, 0);
  }
  const ProgramOutput made = Leadline({"token", "create", db_, "--role", "read", "--json"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  ExpectRefused(Serve(false), "without TLS");
  RunningProgram program(Serve(true));
  std::string line;
  ASSERT_TRUE(program.ReadLine(&line)) << program.Wait().err;
  const std::string address =
      "localhost:" + std::to_string(Json::parse(line, nullptr, false).value("grpc_port", 0));
  ClientOptions options;
  options.tls_ca = dir_.file("ca");
  EXPECT_THAT(Client::Connect(address, options), StatusIs(StatusCode::kUnauthenticated));
  options.token = made.OneJson()["token"];
  EXPECT_OK(Client::Connect(address, options));
  // The file's end does not open the server to everybody.
  ASSERT_OK(FileSystem::Posix()->DeleteFile(db_ + "/tokens.json"));
  std::this_thread::sleep_for(std::chrono::milliseconds(1'200));
  options.token.clear();
  EXPECT_THAT(Client::Connect(address, options), StatusIs(StatusCode::kUnauthenticated));
}

TEST_F(ReachedProgram, TlsFlagsThatDoNotServeAreRefused) {
  const std::vector<std::string> plain = Serve(false, "127.0.0.1:0");
  const auto with = [&plain](std::vector<std::string> more) {
    more.insert(more.begin(), plain.begin(), plain.end());
    return more;
  };
  ExpectRefused(with({"--tls-cert", dir_.file("crt")}), "--tls-key");
  ExpectRefused(with({"--tls-key", dir_.file("key")}), "--tls-cert");
  ExpectRefused(with({"--tls-client-ca", dir_.file("ca")}), "--tls-cert");
  WriteSecret(dir_.file("key"), authority_.Issue().key);
  ExpectRefused(Serve(true, "127.0.0.1:0"), "not that of the certificate");
  ExpectRefused(with({"--connections", "1000001"}), "--connections");
}

TEST(Reach, ATokenLeavesThisMachineOnlyEncrypted) {
  ClientOptions options;
  options.connect_timeout_ms = 1;
  options.token = "secret";
  for (const char* address :
       {"192.0.2.1:1", "example.org:1", "dns:///localhost:1", "ipv4:127.0.0.1:1,192.0.2.1:1"}) {
    const Status status = Client::Connect(address, options).status();
    EXPECT_THAT(status, StatusIs(StatusCode::kInvalidArgument, "unencrypted")) << address;
    EXPECT_EQ(status.message().find("secret"), std::string::npos);
  }
  EXPECT_THAT(Client::Connect("127.0.0.1:1", options), StatusIs(StatusCode::kUnavailable));
  options.tls = true;
  EXPECT_THAT(Client::Connect("192.0.2.1:1", options), StatusIs(StatusCode::kUnavailable));
  options.tls = false;
  options.token.clear();
  EXPECT_THAT(Client::Connect("192.0.2.1:1", options), StatusIs(StatusCode::kUnavailable));
  ASSERT_EQ(::setenv("LEADLINE_TOKEN", "secret", 1), 0);
  EXPECT_THAT(Client::Connect("192.0.2.1:1", options),
              StatusIs(StatusCode::kInvalidArgument, "unencrypted"));
  ::unsetenv("LEADLINE_TOKEN");
}

TEST(Reach, ATokenComesFromTheOptionThenTheFileThenTheEnvironment) {
  const ServedDatabase served;
  ASSERT_OK_AND_ASSIGN(const std::string token,
                       served.tokens()->Create({v1::ROLE_READ, {}, "", {}}));
  const auto connect = [&](const std::string& option, const std::string& file,
                           const char* environment) {
    ClientOptions options;
    options.token = option;
    if (!file.empty()) {
      options.token_file = served.path("token");
      WriteSecret(options.token_file, file);
    }
    ::setenv("LEADLINE_TOKEN", environment, 1);
    const Status status = Client::Connect(served.address(), options).status();
    ::unsetenv("LEADLINE_TOKEN");
    return status;
  };
  EXPECT_OK(connect("", "", token.c_str()));
  EXPECT_OK(connect("", token + "\n", "wrong"));
  EXPECT_OK(connect(token, "wrong", "wrong"));
  EXPECT_THAT(connect("wrong", token, token.c_str()), StatusIs(StatusCode::kUnauthenticated));
  EXPECT_THAT(connect("", "wrong", token.c_str()), StatusIs(StatusCode::kUnauthenticated));
  // What gRPC would end the process over.
  EXPECT_THAT(connect("a\nb", "", ""), StatusIs(StatusCode::kInvalidArgument, "not a token"));
  EXPECT_THAT(connect("", "a\x01", ""), StatusIs(StatusCode::kInvalidArgument, "token_file"));
  EXPECT_THAT(connect("", " \n", ""), StatusIs(StatusCode::kInvalidArgument, "token_file"));
  EXPECT_THAT(connect("", "", "a b"), StatusIs(StatusCode::kInvalidArgument, "LEADLINE_TOKEN"));
}

}  // namespace
}  // namespace leadline::rpc
