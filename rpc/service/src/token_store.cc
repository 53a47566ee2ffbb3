#include "leadline/rpc/token_store.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <nlohmann/json.hpp>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "random_name.h"

namespace leadline::rpc {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;
constexpr size_t kIdDigits = 12;
constexpr size_t kSecretBytes = 32;
constexpr size_t kDigestBytes = SHA256_DIGEST_LENGTH;
constexpr int kFileVersion = 1;
constexpr int64_t kRereadNanos = 1'000'000'000;
constexpr std::string_view kPrefix = "leadline_";

using Json = nlohmann::ordered_json;

std::string Digest(std::string_view token) {
  std::array<unsigned char, kDigestBytes> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest.data());
  return ToHex(digest.data(), digest.size());
}

std::string_view RoleWord(v1::Role role) {
  switch (role) {
    case v1::ROLE_READ:
      return "read";
    case v1::ROLE_WRITE:
      return "write";
    default:
      return "admin";
  }
}

Result<v1::Role> ParseRole(const std::string& word) {
  for (const v1::Role role : {v1::ROLE_READ, v1::ROLE_WRITE, v1::ROLE_ADMIN}) {
    if (RoleWord(role) == word) {
      return role;
    }
  }
  return InvalidFieldError("unknown role", "role", word, "read, write or admin");
}

Json ToJson(const TokenRecord& record) {
  Json json = {{"id", record.id},
               {"sha256", record.digest},
               {"role", RoleWord(record.role)},
               {"label", record.label},
               {"created_ms", record.created_ms}};
  if (!record.all_collections) {
    json["collections"] = record.collections;
  }
  if (record.expires_at_ms) {
    json["expires_at_ms"] = *record.expires_at_ms;
  }
  if (record.rate) {
    json["rate"] = record.rate->per_second;
    json["burst"] = record.rate->burst;
  }
  return json;
}

Status DamagedFile(const std::string& path, const std::string& what) {
  return DataLossError("damaged token file: file=" + path + ": " + what);
}

/// Throws as FromJson does.
Result<int64_t> ParseInteger(const Json& json, const char* field, int64_t min, int64_t max) {
  const Json& value = json.at(field);
  // A number above int64 is of another type, so that it cannot become a negative one here.
  if (value.is_number_integer() &&
      (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX)) {
    const auto number = value.get<int64_t>();
    if (number >= min && number <= max) {
      return number;
    }
  }
  return InvalidFieldError("no integer in range", field, value.dump().substr(0, 64),
                           "[" + std::to_string(min) + ", " + std::to_string(max) + "]");
}

/// Throws as FromJson does.
Result<std::string> ParseHex(const Json& json, const char* field, size_t digits) {
  auto text = json.at(field).get<std::string>();
  if (text.size() != digits || text.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return InvalidFieldError("not hexadecimal", field, text.substr(0, 64),
                             std::to_string(digits) + " digits");
  }
  return text;
}

/// Throws nlohmann's exception where a member is missing or of another type.
Result<TokenRecord> FromJson(const Json& json) {
  TokenRecord record;
  LEADLINE_ASSIGN_OR_RETURN(record.id, ParseHex(json, "id", kIdDigits));
  LEADLINE_ASSIGN_OR_RETURN(record.digest, ParseHex(json, "sha256", size_t{2} * kDigestBytes));
  LEADLINE_ASSIGN_OR_RETURN(record.role, ParseRole(json.at("role").get<std::string>()));
  record.label = json.at("label").get<std::string>();
  LEADLINE_ASSIGN_OR_RETURN(record.created_ms,
                            ParseInteger(json, "created_ms", INT64_MIN, INT64_MAX));
  if (json.contains("collections")) {
    record.all_collections = false;
    record.collections = json.at("collections").get<std::vector<std::string>>();
  }
  if (json.contains("expires_at_ms")) {
    LEADLINE_ASSIGN_OR_RETURN(record.expires_at_ms,
                              ParseInteger(json, "expires_at_ms", INT64_MIN, INT64_MAX));
  }
  if (json.contains("rate")) {
    CallRate rate;
    LEADLINE_ASSIGN_OR_RETURN(const int64_t calls, ParseInteger(json, "rate", 0, CallRate::kMax));
    rate.per_second = static_cast<uint32_t>(calls);
    if (json.contains("burst")) {
      LEADLINE_ASSIGN_OR_RETURN(const int64_t burst,
                                ParseInteger(json, "burst", 0, CallRate::kMax));
      rate.burst = static_cast<uint32_t>(burst);
    }
    record.rate = rate;
  }
  return record;
}

/// kDataLoss for whatever TokenStore does not write: a record that is not understood may be one
/// that gives less than what is read of it.
Result<std::vector<TokenRecord>> ParseFile(const std::string& text, const std::string& path) {
  std::vector<TokenRecord> records;
  try {
    const Json file = Json::parse(text);
    if (file.at("version") != kFileVersion) {
      return DamagedFile(path, "version " + file.at("version").dump().substr(0, 64));
    }
    const Json& tokens = file.at("tokens");
    if (!tokens.is_array()) {
      return DamagedFile(path, "tokens is no list");
    }
    for (const Json& json : tokens) {
      Result<TokenRecord> record = FromJson(json);
      if (!record.ok()) {
        return DamagedFile(path, record.status().ToString());
      }
      records.push_back(*std::move(record));
    }
  } catch (const Json::exception& error) {
    return DamagedFile(path, error.what());
  }
  return records;
}

Status CheckRequest(const TokenRequest& request, size_t tokens) {
  if (request.role < v1::ROLE_READ || request.role > v1::ROLE_ADMIN) {
    return InvalidFieldError("unknown role", "role", std::to_string(request.role),
                             "read, write or admin");
  }
  if (request.label.size() > kMaxTokenLabelBytes) {
    return InvalidFieldError("label too long", "label", std::to_string(request.label.size()),
                             std::to_string(kMaxTokenLabelBytes) + " bytes");
  }
  if (request.rate && std::max(request.rate->per_second, request.rate->burst) > CallRate::kMax) {
    return InvalidFieldError(
        "number out of range", "rate, burst",
        std::to_string(request.rate->per_second) + ", " + std::to_string(request.rate->burst),
        std::to_string(CallRate::kMax));
  }
  if (tokens >= kMaxTokens) {
    return InvalidFieldError("too many tokens", "tokens", std::to_string(tokens),
                             std::to_string(kMaxTokens));
  }
  return {};
}

Status Refused() {
  return {StatusCode::kUnauthenticated, "the token is not valid"};
}

}  // namespace

TokenStore::TokenStore(FileSystem* fs, Clock* clock, const std::string& directory)
    : fs_(fs), clock_(clock), path_(JoinPath(directory, "tokens.json")) {}

Result<TokenStore::Contents> TokenStore::Read() {
  const Result<std::string> text = ReadFileToString(fs_, path_, kMaxFileBytes);
  if (!text.ok()) {
    return text.status().code() == StatusCode::kNotFound ? Result<Contents>(Contents())
                                                         : Result<Contents>(text.status());
  }
  Contents contents{true, {}};
  LEADLINE_ASSIGN_OR_RETURN(contents.tokens, ParseFile(*text, path_));
  return contents;
}

Result<std::shared_ptr<const TokenStore::Contents>> TokenStore::Recent() {
  MutexLock lock(&mutex_);
  const int64_t now = clock_->MonotonicNanos();
  if (contents_ == nullptr || now - read_nanos_ >= kRereadNanos) {
    LEADLINE_ASSIGN_OR_RETURN(Contents contents, Read());
    contents_ = std::make_shared<const Contents>(std::move(contents));
    read_nanos_ = now;
  }
  return contents_;
}

Status TokenStore::Save(const std::vector<TokenRecord>& tokens) {
  Json file = {{"version", kFileVersion}, {"tokens", Json::array()}};
  for (const TokenRecord& token : tokens) {
    file["tokens"].push_back(ToJson(token));
  }
  LEADLINE_RETURN_IF_ERROR(WriteFileAtomically(
      fs_, path_, file.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"));
  MutexLock lock(&mutex_);
  contents_ = nullptr;
  return {};
}

Result<std::string> TokenStore::Create(const TokenRequest& request) {
  LEADLINE_ASSIGN_OR_RETURN(const auto lock, fs_->LockFile(path_ + ".lock"));
  LEADLINE_ASSIGN_OR_RETURN(Contents contents, Read());
  LEADLINE_RETURN_IF_ERROR(CheckRequest(request, contents.tokens.size()));
  TokenRecord record;
  LEADLINE_ASSIGN_OR_RETURN(record.id, RandomHex(kIdDigits / 2));
  LEADLINE_ASSIGN_OR_RETURN(const std::string secret, RandomHex(kSecretBytes));
  std::string token = std::string(kPrefix) + record.id + "_" + secret;
  record.digest = Digest(token);
  record.role = request.role;
  record.all_collections = request.collections.empty();
  record.collections = request.collections;
  record.label = request.label;
  record.created_ms = clock_->UnixMillis();
  record.expires_at_ms = request.expires_at_ms;
  record.rate = request.rate;
  contents.tokens.push_back(std::move(record));
  LEADLINE_RETURN_IF_ERROR(Save(contents.tokens));
  return token;
}

Status TokenStore::Revoke(std::string_view id) {
  LEADLINE_ASSIGN_OR_RETURN(const auto lock, fs_->LockFile(path_ + ".lock"));
  LEADLINE_ASSIGN_OR_RETURN(Contents contents, Read());
  const size_t removed =
      std::erase_if(contents.tokens, [id](const TokenRecord& record) { return record.id == id; });
  if (removed == 0) {
    return NotFoundError("no token has this id: " + std::string(id.substr(0, 64)));
  }
  return Save(contents.tokens);
}

Result<std::vector<TokenRecord>> TokenStore::List() {
  LEADLINE_ASSIGN_OR_RETURN(Contents contents, Read());
  return std::move(contents.tokens);
}

Result<bool> TokenStore::required() {
  LEADLINE_ASSIGN_OR_RETURN(const auto contents, Recent());
  if (contents->exists) {
    was_required_.store(true);
  }
  return was_required_.load();
}

Result<Caller> TokenStore::Authenticate(std::string_view token) {
  LEADLINE_ASSIGN_OR_RETURN(const auto contents, Recent());
  if (token.size() != kPrefix.size() + kIdDigits + 1 + 2 * kSecretBytes) {
    return Refused();
  }
  const std::string_view id = token.substr(kPrefix.size(), kIdDigits);
  const auto found = std::find_if(contents->tokens.begin(), contents->tokens.end(),
                                  [id](const TokenRecord& record) { return record.id == id; });
  if (found == contents->tokens.end()) {
    return Refused();
  }
  const std::string digest = Digest(token);
  const bool same = digest.size() == found->digest.size() &&
                    CRYPTO_memcmp(digest.data(), found->digest.data(), digest.size()) == 0;
  if (!same || (found->expires_at_ms && clock_->UnixMillis() >= *found->expires_at_ms)) {
    return Refused();
  }
  return Caller{found->id, found->role, found->all_collections, found->collections, found->rate};
}

}  // namespace leadline::rpc
