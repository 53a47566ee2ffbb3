// What is refused of certificates and keys before a server or a client uses them.

#include "leadline/rpc/tls_files.h"

#include <functional>
#include <optional>

#include <gtest/gtest.h>

#include "leadline/rpc/tls_reloader.h"
#include "status_matchers.h"
#include "temp_dir.h"
#include "test_authority.h"

namespace leadline::rpc {
namespace {

using testing::StatusIs;

/// Time that stands until it is moved.
class SteppedClock final : public Clock {
 public:
  int64_t UnixMillis() override { return int64_t{1'000} * std::time(nullptr) + moved_ms_; }

  int64_t MonotonicNanos() override { return 1 + moved_ms_ * 1'000'000; }

  void Move(int64_t ms) { moved_ms_ += ms; }

 private:
  int64_t moved_ms_ = 0;
};

class TlsFilesTest : public ::testing::Test {
 protected:
  TlsFilesTest() {
    Put(authority_.Issue());
    WriteSecret(files_.client_ca, authority_.pem());
  }

  void Put(const Issued& issued) const {
    WriteSecret(files_.certificate, issued.certificate);
    WriteSecret(files_.key, issued.key);
  }

  /// Expects a refusal that names the flag and says why.
  void ExpectRefused(const std::string& flag, const std::string& why) {
    const Status status = LoadTlsFiles(files_, &clock_).status();
    EXPECT_THAT(status, StatusIs(StatusCode::kInvalidArgument, why));
    EXPECT_EQ(status.field(), flag) << status.ToString();
  }

  testing::TempDir dir_;
  TestAuthority authority_;
  SteppedClock clock_;
  TlsFiles files_ = {dir_.file("crt"), dir_.file("key"), dir_.file("ca")};
};

TEST_F(TlsFilesTest, GoodFilesAreTakenAsTheyAre) {
  const Issued issued = authority_.Issue();
  Put({issued.certificate + authority_.pem(), issued.key});
  ASSERT_OK_AND_ASSIGN(const TlsIdentity identity, LoadTlsFiles(files_, &clock_));
  EXPECT_EQ(identity.certificate, issued.certificate + authority_.pem());
  EXPECT_EQ(identity.key, issued.key);
  EXPECT_EQ(identity.client_ca, authority_.pem());
  files_.client_ca.clear();
  EXPECT_OK(LoadTlsFiles(files_, &clock_));
}

TEST_F(TlsFilesTest, BadFilesAreNamedWithTheReason) {
  Put(authority_.Issue({.begins_s = -7'200, .ends_s = -3'600}));
  ExpectRefused("--tls-cert", "expired");
  Put(authority_.Issue({.begins_s = 3'600}));
  ExpectRefused("--tls-cert", "not yet valid");
  Put({authority_.Issue().certificate, authority_.Issue().key});
  ExpectRefused("--tls-key", "not that of the certificate");
  Put({"words", authority_.Issue().key});
  ExpectRefused("--tls-cert", "no certificate");
  Put({authority_.Issue().certificate, "words"});
  ExpectRefused("--tls-key", "no private key");
  Put(authority_.Issue({.rsa_bits = 1024}));
  ExpectRefused("--tls-cert", "too small");
  Put({std::string(kMaxPemBytes + 1, 'x'), "x"});
  EXPECT_THAT(LoadTlsFiles(files_, &clock_),
              StatusIs(StatusCode::kResourceExhausted, "--tls-cert"));
  Put(authority_.Issue());
  WriteSecret(files_.client_ca, "words");
  ExpectRefused("--tls-client-ca", "no certificate");
  WriteSecret(files_.client_ca, authority_.Issue({.ends_s = -1'800}).certificate);
  ExpectRefused("--tls-client-ca", "no authority is valid now");
}

TEST_F(TlsFilesTest, MissingFilesAndFoldersAreNamed) {
  const TlsFiles good = files_;
  for (std::string TlsFiles::*field :
       {&TlsFiles::certificate, &TlsFiles::key, &TlsFiles::client_ca}) {
    files_ = good;
    files_.*field = dir_.file("nothing");
    EXPECT_THAT(LoadTlsFiles(files_, &clock_), StatusIs(StatusCode::kNotFound, "--tls-"));
    files_.*field = dir_.path();
    EXPECT_THAT(LoadTlsFiles(files_, &clock_),
                StatusIs(StatusCode::kInvalidArgument, "regular file"));
  }
  files_ = {good.certificate, "", ""};
  ExpectRefused("--tls-key", "needs a certificate and its key");
  files_ = {"", good.key, ""};
  ExpectRefused("--tls-cert", "needs a certificate and its key");
}

TEST_F(TlsFilesTest, AKeyThatOthersMayUseIsRefused) {
  for (const mode_t mode : {0604U, 0602U, 0644U, 0620U, 0777U}) {
    ASSERT_EQ(::chmod(files_.key.c_str(), mode), 0);
    ExpectRefused("--tls-key", "others may use");
  }
  for (const mode_t mode : {0600U, 0400U, 0640U, 0440U}) {
    ASSERT_EQ(::chmod(files_.key.c_str(), mode), 0);
    EXPECT_OK(LoadTlsFiles(files_, &clock_)) << mode;
  }
}

TEST_F(TlsFilesTest, DamageNeverEndsTheProcess) {
  const Issued issued = authority_.Issue();
  const auto load = [&](const Issued& damaged) {
    WriteSecret(files_.certificate, damaged.certificate);
    WriteSecret(files_.key, damaged.key);
    return LoadTlsFiles(files_, &clock_).status();
  };
  for (size_t size = 0; size + 40 < issued.certificate.size(); size += 7) {
    EXPECT_FALSE(load({issued.certificate.substr(0, size), issued.key}).ok()) << size;
    EXPECT_FALSE(
        load({issued.certificate, issued.key.substr(0, std::min(size, issued.key.size() - 40))})
            .ok())
        << size;
  }
  for (size_t at = 0; at < issued.certificate.size(); at += 3) {
    Issued flipped = issued;
    flipped.certificate[at] = static_cast<char>(flipped.certificate[at] ^ 1);
    load(flipped).IgnoreError();  // the signature is looked at by the other end
    flipped = issued;
    flipped.key[at % flipped.key.size()] ^= 4;
    load(flipped).IgnoreError();
  }
  EXPECT_FALSE(load({issued.certificate + std::string(1, '\0'), issued.key}).ok());
}

TEST_F(TlsFilesTest, ChangesAreSeenWithinASecondAndBadOnesKeepTheOld) {
  std::vector<std::string> refused;
  ASSERT_OK_AND_ASSIGN(const auto reloader,
                       TlsReloader::Open(files_, &clock_, [&](const Status& status) {
                         refused.push_back(status.message());
                       }));
  const auto first = reloader->Current();
  Put(authority_.Issue());
  EXPECT_EQ(reloader->Current(), first);  // not looked at again so soon
  clock_.Move(1'000);
  const auto second = reloader->Current();
  EXPECT_NE(*second, *first);
  WriteSecret(files_.key, "words");
  for (int i = 0; i < 3; ++i) {
    clock_.Move(1'000);
    EXPECT_EQ(reloader->Current(), second);
  }
  EXPECT_EQ(refused.size(), 1U);  // once for one reason
  WriteSecret(files_.certificate, "words");
  clock_.Move(1'000);
  EXPECT_EQ(reloader->Current(), second);
  EXPECT_EQ(refused.size(), 2U);
  const Issued last = authority_.Issue();
  Put(last);
  clock_.Move(1'000);
  EXPECT_EQ(reloader->Current()->certificate, last.certificate);
}

}  // namespace
}  // namespace leadline::rpc
