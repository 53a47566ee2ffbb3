#pragma once

/// Tokens of one database: who may call what. Only digests are kept.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/clock.h"
#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"
#include "leadline/core/status.h"
#include "leadline/rpc/call_context.h"
#include "leadline/v1/options.pb.h"

namespace leadline::rpc {

inline constexpr size_t kMaxTokens = 10'000;
inline constexpr size_t kMaxTokenLabelBytes = 256;

/// What is kept of one token.
struct TokenRecord {
  std::string id;      ///< public: 12 hexadecimal digits
  std::string digest;  ///< SHA-256 of the whole token, 64 hexadecimal digits
  v1::Role role = v1::ROLE_UNSPECIFIED;
  bool all_collections = true;
  std::vector<std::string> collections;  ///< where not all
  std::string label;                     ///< for people
  int64_t created_ms = 0;
  std::optional<int64_t> expires_at_ms;
  std::optional<CallRate> rate = std::nullopt;  ///< else the server's
};

/// What a new token may do.
struct TokenRequest {
  v1::Role role = v1::ROLE_READ;
  std::vector<std::string> collections;  ///< empty means all
  std::string label;
  std::optional<int64_t> expires_at_ms;
  std::optional<CallRate> rate = std::nullopt;  ///< at most CallRate::kMax each
};

/// The file `tokens.json` in the database's directory. Other processes may change it at any time:
/// it is read again when it has changed. Thread-safe.
class TokenStore {
 public:
  /// `directory` must exist. A missing file is an empty store.
  TokenStore(FileSystem* fs, Clock* clock, const std::string& directory);

  /// Adds a token and returns it: the only time that it is seen. kInvalidArgument, I/O errors,
  /// kFailedPrecondition while another process changes the file.
  Result<std::string> Create(const TokenRequest& request);
  /// kNotFound.
  Status Revoke(std::string_view id);
  Result<std::vector<TokenRecord>> List();

  /// Who brings `token`. kUnauthenticated without saying whether it is unknown, wrong or expired.
  /// Takes the same time for every wrong token with a known id.
  Result<Caller> Authenticate(std::string_view token);
  /// True once a token was made: from then on calls need one, also after the last was revoked. Once
  /// true it stays so for this object: a server that others reach must not open itself to everybody
  /// because somebody removed the file.
  Result<bool> required();

 private:
  struct Contents {
    bool exists = false;
    std::vector<TokenRecord> tokens;
  };

  Result<Contents> Read();
  Status Save(const std::vector<TokenRecord>& tokens);
  /// What the file held at most a second ago.
  Result<std::shared_ptr<const Contents>> Recent() LEADLINE_EXCLUDES(mutex_);

  FileSystem* const fs_;
  Clock* const clock_;
  const std::string path_;
  std::atomic<bool> was_required_{false};
  Mutex mutex_;
  std::shared_ptr<const Contents> contents_ LEADLINE_GUARDED_BY(mutex_);
  int64_t read_nanos_ LEADLINE_GUARDED_BY(mutex_) = 0;
};

}  // namespace leadline::rpc
