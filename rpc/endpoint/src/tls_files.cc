#include "leadline/rpc/tls_files.h"

#include <ctime>
#include <memory>
#include <sys/stat.h>
#include <vector>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "leadline/core/file_system.h"

namespace leadline::rpc {
namespace {

/// Frees what OpenSSL made.
template <auto kFree>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Source = std::unique_ptr<BIO, Freed<BIO_free_all>>;

/// A file and what errors call it.
struct NamedFile {
  std::string_view field;
  const std::string& path;
};

Status FileError(const NamedFile& file, const std::string& what, std::string_view limit) {
  return InvalidFieldError(what, file.field, file.path, limit);
}

/// Why OpenSSL refused, from this thread's queue, which other users of OpenSSL want empty.
std::string OpenSslReason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "unknown reason";
}

Result<std::string> ReadPem(const NamedFile& file) {
  FileSystem* const fs = FileSystem::Posix();
  const Result<bool> regular = fs->IsRegularFile(file.path);
  if (!regular.ok()) {
    return regular.status().WithContext(file.field).WithField(std::string(file.field));
  }
  if (!*regular) {
    return FileError(file, "not a regular file", "a PEM file");
  }
  Result<std::string> text = ReadFileToString(fs, file.path, kMaxPemBytes);
  if (!text.ok()) {
    return text.status().WithContext(file.field).WithField(std::string(file.field));
  }
  if (text->find('\0') != std::string::npos) {
    return FileError(file, "not PEM: holds a zero byte", "a PEM file");
  }
  return text;
}

Source SourceOf(const std::string& text) {
  return Source(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// All certificates of `text`, at least one.
Result<std::vector<Certificate>> ParseCertificates(const NamedFile& file, const std::string& text) {
  const Source source = SourceOf(text);
  std::vector<Certificate> certificates;
  while (X509* const next = PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(next);
  }
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = OpenSslReason();
  if (!ended) {
    return FileError(
        file, "damaged certificate " + std::to_string(certificates.size() + 1) + ": " + reason,
        "PEM certificates");
  }
  if (certificates.empty()) {
    return FileError(file, "no certificate", "PEM certificates");
  }
  return certificates;
}

std::string TimeText(const ASN1_TIME* time) {
  const Source memory(BIO_new(BIO_s_mem()));
  char* text = nullptr;
  ASN1_TIME_print(memory.get(), time);
  const long size = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<size_t>(std::max(0L, size))};
}

/// What is wrong with `certificate` at this moment; empty where nothing is.
std::string TimeProblem(const X509& certificate, Clock* clock) {
  time_t now = clock->UnixMillis() / 1000;
  const ASN1_TIME* const begin = X509_get0_notBefore(&certificate);
  const ASN1_TIME* const end = X509_get0_notAfter(&certificate);
  if (X509_cmp_time(begin, &now) >= 0) {
    return "not yet valid: it begins " + TimeText(begin);
  }
  return X509_cmp_time(end, &now) <= 0 ? "expired " + TimeText(end) : "";
}

Result<PrivateKey> ParseKey(const NamedFile& file, const std::string& text) {
  struct stat info = {};
  if (::stat(file.path.c_str(), &info) == 0 && (info.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
    return FileError(file, "others may use the key file", "mode 0600 or 0640");
  }
  // Without a callback OpenSSL would ask for a password on the terminal.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  PrivateKey key(PEM_read_bio_PrivateKey(SourceOf(text).get(), nullptr, no_password, nullptr));
  if (key == nullptr) {
    return FileError(file, "no private key: " + OpenSslReason(), "a PEM key without a password");
  }
  return key;
}

/// Does what a handshake will need: a server must not start that cannot finish one.
Status CheckUse(const NamedFile& file, const std::vector<Certificate>& chain, EVP_PKEY* key) {
  const Context context(SSL_CTX_new(TLS_method()));
  bool good = context != nullptr && SSL_CTX_use_certificate(context.get(), chain[0].get()) == 1 &&
              SSL_CTX_use_PrivateKey(context.get(), key) == 1;
  for (size_t i = 1; good && i < chain.size(); ++i) {
    good = SSL_CTX_add1_chain_cert(context.get(), chain[i].get()) == 1;
  }
  return good ? OkStatus()
              : FileError(file, "certificate of no use: " + OpenSslReason(), "what OpenSSL takes");
}

Status CheckTimes(const NamedFile& file, const std::vector<Certificate>& chain, Clock* clock) {
  for (size_t i = 0; i < chain.size(); ++i) {
    const std::string problem = TimeProblem(*chain[i], clock);
    if (!problem.empty()) {
      return FileError(file, "certificate " + std::to_string(i + 1) + " is " + problem,
                       "valid now");
    }
  }
  return {};
}

}  // namespace

Result<TlsIdentity> LoadTlsFiles(const TlsFiles& files, Clock* clock, const TlsFieldNames& names) {
  const NamedFile certificate{names.certificate, files.certificate};
  const NamedFile key{names.key, files.key};
  for (const NamedFile* file : {&certificate, &key}) {
    if (file->path.empty()) {
      return FileError(*file, "TLS needs a certificate and its key", "a PEM file");
    }
  }
  ERR_clear_error();
  TlsIdentity identity;
  LEADLINE_ASSIGN_OR_RETURN(identity.certificate, ReadPem(certificate));
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<Certificate> chain,
                            ParseCertificates(certificate, identity.certificate));
  LEADLINE_RETURN_IF_ERROR(CheckTimes(certificate, chain, clock));
  LEADLINE_ASSIGN_OR_RETURN(identity.key, ReadPem(key));
  LEADLINE_ASSIGN_OR_RETURN(const PrivateKey private_key, ParseKey(key, identity.key));
  if (X509_check_private_key(chain[0].get(), private_key.get()) != 1) {
    ERR_clear_error();
    return FileError(key, "the key is not that of the certificate",
                     "the key of " + files.certificate);
  }
  LEADLINE_RETURN_IF_ERROR(CheckUse(certificate, chain, private_key.get()));
  if (!files.client_ca.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(identity.client_ca,
                              LoadAuthorities(names.client_ca, files.client_ca, clock));
  }
  return identity;
}

Result<std::string> LoadAuthorities(std::string_view field, const std::string& path, Clock* clock) {
  const NamedFile file{field, path};
  ERR_clear_error();
  LEADLINE_ASSIGN_OR_RETURN(std::string text, ReadPem(file));
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<Certificate> certificates,
                            ParseCertificates(file, text));
  for (const Certificate& certificate : certificates) {
    if (TimeProblem(*certificate, clock).empty()) {
      return text;
    }
  }
  return FileError(
      file, "no authority is valid now: the first is " + TimeProblem(*certificates[0], clock),
      "valid now");
}

}  // namespace leadline::rpc
