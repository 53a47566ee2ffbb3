// Connections over TLS: good ones, every kind of bad one, and certificates that change while calls
// run.

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "channel.h"
#include "leadline/v1/search.pb.h"
#include "raw_connection.h"
#include "served_database.h"
#include "test_authority.h"

namespace leadline::rpc {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

constexpr int64_t kTimeoutMs = 20'000;

struct Handshake {
  bool done = false;
  std::string reason;       ///< why not
  std::string certificate;  ///< of the server, PEM
};

/// A handshake as a client of `max_version` and one cipher of TLS 1.2 (empty: OpenSSL's own list)
/// does it, whatever the server's certificate.
Handshake Shake(int port, int max_version = TLS1_3_VERSION, const std::string& cipher = "") {
  const RawConnection connection(port);
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                  &SSL_CTX_free);
  SSL_CTX_set_security_level(context.get(), 0);  // a client that would take anything
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context.get(), max_version);
  EXPECT_EQ(
      SSL_CTX_set_cipher_list(context.get(), cipher.empty() ? "ALL:@SECLEVEL=0" : cipher.c_str()),
      1);
  const unsigned char alpn[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.get(), alpn, sizeof(alpn));
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), &SSL_free);
  SSL_set_fd(ssl.get(), connection.fd());
  ERR_clear_error();
  Handshake handshake;
  handshake.done = SSL_connect(ssl.get()) == 1;
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  handshake.reason = reason != nullptr ? reason : "";
  ERR_clear_error();
  const std::unique_ptr<X509, decltype(&X509_free)> peer(SSL_get1_peer_certificate(ssl.get()),
                                                         &X509_free);
  if (peer != nullptr) {
    BIO* memory = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(memory, peer.get());
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory, &text);
    handshake.certificate.assign(text, static_cast<size_t>(size));
    BIO_free(memory);
  }
  return handshake;
}

class Tls : public ::testing::Test {
 protected:
  Tls() {
    WriteSecret(file("ca"), authority_.pem());
    WriteSecret(file("other_ca"), other_.pem());
    Put("server", authority_.Issue());
    Put("client", authority_.Issue({.names = "DNS:client"}));
  }

  [[nodiscard]] std::string file(const std::string& name) const { return dir_.file(name); }

  void Put(const std::string& name, const Issued& issued) const {
    WriteSecret(file(name + ".key"), issued.key);
    WriteSecret(file(name + ".crt"), issued.certificate);
  }

  [[nodiscard]] GrpcServerOptions Listening(bool mutual = false) const {
    GrpcServerOptions options;
    options.tls = TlsFiles{file("server.crt"), file("server.key"), mutual ? file("ca") : ""};
    return options;
  }

  /// Options of a client that trusts the authority.
  [[nodiscard]] ClientOptions Trusting(const std::string& own = "") const {
    ClientOptions options;
    options.tls_ca = file("ca");
    if (!own.empty()) {
      options.tls_certificate = file(own + ".crt");
      options.tls_key = file(own + ".key");
    }
    options.connect_timeout_ms = kTimeoutMs;
    return options;
  }

  /// What a client that checks nothing about its own certificate gets from `served`.
  [[nodiscard]] Status ConnectWith(const ServedDatabase& served, const Issued& client,
                                   int64_t patience_ms = kTimeoutMs) const {
    ChannelSecurity security;
    security.credentials = grpc::SslCredentials({authority_.pem(), client.key, client.certificate});
    security.tls = true;
    return Channel(served.address(), security, kTimeoutMs).WaitForServer(patience_ms);
  }

  testing::TempDir dir_;
  TestAuthority authority_;
  TestAuthority other_;
};

/// A server without methods that shows any certificate.
class AnyServer {
 public:
  explicit AnyServer(const Issued& shown) {
    grpc::SslServerCredentialsOptions ssl;
    ssl.pem_key_cert_pairs = {{shown.key, shown.certificate}};
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(ssl), &port_);
    builder.RegisterAsyncGenericService(&generic_);
    queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    thread_ = std::thread([this] {
      void* tag = nullptr;
      for (bool ok = false; queue_->Next(&tag, &ok);) {
      }
    });
  }

  AnyServer(const AnyServer&) = delete;
  AnyServer& operator=(const AnyServer&) = delete;

  ~AnyServer() {
    server_->Shutdown();
    queue_->Shutdown();
    thread_.join();
  }

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  int port_ = 0;
  grpc::AsyncGenericService generic_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::thread thread_;
};

TEST_F(Tls, CallsWorkWithTlsAndWithMutualTls) {
  for (const bool mutual : {false, true}) {
    const ServedDatabase served({}, Listening(mutual));
    ASSERT_OK_AND_ASSIGN(const auto client,
                         Client::Connect(served.address(), Trusting(mutual ? "client" : "")));
    EXPECT_OK(client->ListCollections()) << mutual;
  }
}

TEST_F(Tls, ATokenTravelsOverTls) {
  const ServedDatabase served({}, Listening());
  ASSERT_OK_AND_ASSIGN(const std::string token,
                       served.tokens()->Create({v1::ROLE_READ, {}, "", {}}));
  ClientOptions options = Trusting();
  EXPECT_THAT(Client::Connect(served.address(), options), StatusIs(StatusCode::kUnauthenticated));
  WriteSecret(file("token"), token + "\n");
  options.token_file = file("token");
  EXPECT_OK(Client::Connect(served.address(), options));
}

TEST_F(Tls, AClientRefusesServersThatItCannotTrust) {
  const std::pair<const char*, Issued> shown[] = {
      {"expired", authority_.Issue({.begins_s = -7'200, .ends_s = -3'600})},
      {"not yet valid", authority_.Issue({.begins_s = 3'600, .ends_s = 7'200})},
      {"another authority's", other_.Issue()},
      {"self-signed", authority_.Issue({.self_signed = true})},
      {"for another host", authority_.Issue({.names = "DNS:other.example,IP:192.0.2.1"})},
  };
  for (const auto& [what, issued] : shown) {
    const AnyServer server(issued);
    const Status status = Client::Connect(server.address(), Trusting()).status();
    EXPECT_THAT(status, StatusIs(StatusCode::kUnavailable, "TLS handshake failed")) << what;
  }
}

TEST_F(Tls, ANameThatTheClientExpectsIsCheckedInsteadOfTheHost) {
  Put("server", authority_.Issue({.names = "DNS:db.example"}));
  const ServedDatabase served({}, Listening());
  ClientOptions options = Trusting();
  EXPECT_THAT(Client::Connect(served.address(), options),
              StatusIs(StatusCode::kUnavailable, "TLS handshake failed"));
  options.tls_server_name = "db.example";
  EXPECT_OK(Client::Connect(served.address(), options));
}

TEST_F(Tls, AServerRefusesClientsThatItCannotTrust) {
  const ServedDatabase served({}, Listening(true));
  EXPECT_OK(ConnectWith(served, authority_.Issue({.names = "DNS:client"})));
  const std::pair<const char*, Issued> shown[] = {
      {"none", {}},
      {"another authority's", other_.Issue({.names = "DNS:client"})},
      {"self-signed", authority_.Issue({.names = "DNS:client", .self_signed = true})},
      {"expired", authority_.Issue({.begins_s = -7'200, .ends_s = -3'600})},
  };
  for (const auto& [what, issued] : shown) {
    // A client hears no reason: its own half of the handshake was good.
    EXPECT_THAT(ConnectWith(served, issued, 500),
                StatusIs(StatusCode::kUnavailable, "certificate of the client"))
        << what;
  }
  EXPECT_OK(ConnectWith(served, authority_.Issue({.names = "DNS:client"})));
}

TEST_F(Tls, OldVersionsAndWeakCiphersAreRefused) {
  const ServedDatabase served({}, Listening());
  const int port = served.server()->port();
  EXPECT_TRUE(Shake(port).done);
  EXPECT_TRUE(Shake(port, TLS1_2_VERSION).done);
  EXPECT_TRUE(Shake(port, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256").done);
  ASSERT_TRUE(Shake(port, TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384:@SECLEVEL=0").done);
  const Handshake old = Shake(port, TLS1_1_VERSION);
  EXPECT_FALSE(old.done);
  EXPECT_THAT(old.reason, HasSubstr("unexpected eof"));  // gRPC sends no alert
  for (const char* cipher : {"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384",
                             "ECDHE-ECDSA-NULL-SHA", "AECDH-AES128-SHA"}) {
    const Handshake weak = Shake(port, TLS1_2_VERSION, std::string(cipher) + ":@SECLEVEL=0");
    EXPECT_FALSE(weak.done) << cipher;
    EXPECT_THAT(weak.reason, HasSubstr("unexpected eof")) << cipher;  // gRPC sends no alert
  }
}

TEST_F(Tls, PlaintextAgainstTlsAndTlsAgainstPlaintextFail) {
  const ServedDatabase tls({}, Listening());
  ClientOptions plain;
  plain.connect_timeout_ms = 500;
  EXPECT_THAT(Client::Connect(tls.address(), plain), StatusIs(StatusCode::kUnavailable));
  const ServedDatabase open;
  EXPECT_THAT(Client::Connect(open.address(), Trusting()),
              StatusIs(StatusCode::kUnavailable, "TLS handshake failed"));
}

/// One stream of searches: an answer for each request.
class SearchStream {
 public:
  explicit SearchStream(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {
    stream_ = stub_.PrepareCall(&context_, "/leadline.v1.Search/SearchStream", &queue_);
    stream_->StartCall(this);
    EXPECT_TRUE(Step());
  }

  SearchStream(const SearchStream&) = delete;
  SearchStream& operator=(const SearchStream&) = delete;

  ~SearchStream() {
    context_.TryCancel();
    queue_.Shutdown();
    while (Step()) {
    }
  }

  bool Ask(const google::protobuf::Message& request) {
    const grpc::Slice slice(request.SerializeAsString());
    stream_->Write(grpc::ByteBuffer(&slice, 1), this);
    if (!Step()) {
      return false;
    }
    grpc::ByteBuffer answer;
    stream_->Read(&answer, this);
    return Step();
  }

 private:
  bool Step() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

TEST_F(Tls, CertificatesChangeUnderCallsAndBadOnesDoNot) {
  std::atomic<int> refused = 0;
  GrpcServerOptions listening = Listening();
  listening.tls_refused = [&refused](const Status&) { ++refused; };
  const ServedDatabase served({}, listening);
  CollectionOptions two;
  two.vectors = {{.dim = 2}};
  ASSERT_OK(served.database()->CreateCollection("c", two));
  v1::SearchRequest request;
  request.set_collection("c");
  request.add_vector(1);
  request.add_vector(0);
  SearchStream stream(
      grpc::CreateChannel(served.address(), grpc::SslCredentials({authority_.pem(), "", ""})));
  ASSERT_OK_AND_ASSIGN(const auto client, Client::Connect(served.address(), Trusting()));
  const int port = served.server()->port();
  // Looks at what new connections see until `done`, with calls on the old ones all the time.
  const auto watch = [&](const std::function<bool(const Handshake&)>& done) {
    for (int i = 0; i < 2'000; ++i) {
      EXPECT_TRUE(stream.Ask(request));
      EXPECT_OK(client->ListCollections());
      const Handshake seen = Shake(port);
      EXPECT_TRUE(seen.done) << seen.reason;
      if (done(seen) || HasFailure()) {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << "nothing changed";
  };
  Issued good;
  for (int swap = 0; swap < 2; ++swap) {
    good = authority_.Issue();
    Put("server", good);
    watch([&](const Handshake& seen) { return seen.certificate == good.certificate; });
  }
  const std::pair<const char*, Issued> bad[] = {
      {"key of another", {authority_.Issue().certificate, good.key}},
      {"expired", authority_.Issue({.begins_s = -7'200, .ends_s = -3'600})},
      {"not PEM", {"nothing", "nothing"}},
  };
  for (const auto& [what, issued] : bad) {
    SCOPED_TRACE(what);
    const int before = refused;
    Put("server", issued);
    watch([&](const Handshake& seen) {
      EXPECT_EQ(seen.certificate, good.certificate);
      return refused > before;
    });
  }
  good = authority_.Issue();
  Put("server", good);
  watch([&](const Handshake& seen) { return seen.certificate == good.certificate; });
}

}  // namespace
}  // namespace leadline::rpc
