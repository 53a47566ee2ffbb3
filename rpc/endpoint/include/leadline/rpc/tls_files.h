#pragma once

/// Certificates and keys in files, checked before anything depends on them.

#include <string>
#include <string_view>

#include "leadline/core/clock.h"
#include "leadline/core/status.h"

namespace leadline::rpc {

inline constexpr uint64_t kMaxPemBytes = uint64_t{1} << 20;  // of one file

/// Paths of PEM files.
struct TlsFiles {
  std::string certificate;  ///< of this end, then those that lead to its authority
  std::string key;          ///< without a password, closed to others
  std::string client_ca;    ///< authorities of clients; empty: no client certificates
};

/// What errors call the files.
struct TlsFieldNames {
  std::string_view certificate = "--tls-cert";
  std::string_view key = "--tls-key";
  std::string_view client_ca = "--tls-client-ca";
};

/// What passed the checks, as PEM text.
struct TlsIdentity {
  std::string certificate;
  std::string key;
  std::string client_ca;

  bool operator==(const TlsIdentity&) const = default;
};

/// Reads and checks: every certificate is valid now, the key is that of the first one, both are
/// strong enough for OpenSSL, others may not read the key. kInvalidArgument about the file's field
/// with the reason; the errors of reading.
Result<TlsIdentity> LoadTlsFiles(const TlsFiles& files, Clock* clock,
                                 const TlsFieldNames& names = {});

/// Reads authorities to trust, of which at least one must be valid now. The same errors.
Result<std::string> LoadAuthorities(std::string_view field, const std::string& path, Clock* clock);

}  // namespace leadline::rpc
