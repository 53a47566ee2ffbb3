#pragma once

/// Certificates for tests, made with OpenSSL.

#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <sys/stat.h>

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace leadline::rpc {

/// A certificate and its key as PEM.
struct Issued {
  std::string certificate;
  std::string key;
};

struct IssueOptions {
  std::string names = "DNS:localhost,IP:127.0.0.1";
  int64_t begins_s = -3'600;  ///< from now
  int64_t ends_s = 86'400;
  bool self_signed = false;
  int rsa_bits = 0;  ///< 0: P-256
};

/// Signs certificates. Externally synchronised.
class TestAuthority {
 public:
  TestAuthority() : key_(NewKey(0), &EVP_PKEY_free), self_(X509_new(), &X509_free) {
    Fill(self_.get(), "authority", {}, key_.get());
    Extend(self_.get(), NID_basic_constraints, "critical,CA:TRUE");
    Extend(self_.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
    X509_set_issuer_name(self_.get(), X509_get_subject_name(self_.get()));
    EXPECT_GT(X509_sign(self_.get(), key_.get(), EVP_sha256()), 0);
  }

  Issued Issue(const IssueOptions& options = {}) {
    const Key key(NewKey(options.rsa_bits), &EVP_PKEY_free);
    const Cert cert(X509_new(), &X509_free);
    Fill(cert.get(), "leaf", options, key.get());
    Extend(cert.get(), NID_subject_alt_name, options.names.c_str());
    X509_set_issuer_name(cert.get(),
                         X509_get_subject_name(options.self_signed ? cert.get() : self_.get()));
    EXPECT_GT(X509_sign(cert.get(), options.self_signed ? key.get() : key_.get(), EVP_sha256()), 0);
    return {Pem(cert.get()), Pem(key.get())};
  }

  [[nodiscard]] std::string pem() const { return Pem(self_.get()); }

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Cert = std::unique_ptr<X509, decltype(&X509_free)>;

  static EVP_PKEY* NewKey(int rsa_bits) {
    return rsa_bits != 0 ? EVP_RSA_gen(static_cast<unsigned>(rsa_bits)) : EVP_EC_gen("P-256");
  }

  static void Fill(X509* cert, const std::string& name, const IssueOptions& options,
                   EVP_PKEY* key) {
    static int64_t serial = 0;
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set_int64(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), options.begins_s);
    X509_gmtime_adj(X509_getm_notAfter(cert), options.ends_s);
    X509_set_pubkey(cert, key);
    // Each its own: authorities of the same name would be taken for one another.
    const std::string own = name + " " + std::to_string(serial);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(own.c_str()), -1, -1, 0);
  }

  static void Extend(X509* cert, int nid, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    EXPECT_NE(extension, nullptr) << value;
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
  }

  static std::string Take(BIO* memory) {
    char* text = nullptr;
    const long size = BIO_get_mem_data(memory, &text);
    std::string pem(text, static_cast<size_t>(size));
    BIO_free(memory);
    return pem;
  }

  static std::string Pem(X509* cert) {
    BIO* memory = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(memory, cert);
    return Take(memory);
  }

  static std::string Pem(EVP_PKEY* key) {
    BIO* memory = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(memory, key, nullptr, nullptr, 0, nullptr, nullptr);
    return Take(memory);
  }

  const Key key_;
  const Cert self_;
};

/// Writes a file that only its owner may read, whole at every moment.
inline void WriteSecret(const std::string& path, const std::string& contents) {
  const std::string next = path + ".next";
  std::ofstream(next, std::ios::binary) << contents;
  ASSERT_EQ(::chmod(next.c_str(), 0600), 0);
  ASSERT_EQ(std::rename(next.c_str(), path.c_str()), 0);
}

}  // namespace leadline::rpc
