// tokens.json as anybody may have left it: what is read can be written and reads as the same, what
// is not is damage, and either way nobody is let in who has no token. Input: the file.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzzed_service.h"

namespace leadline::rpc {
namespace {

using testing::PowerCutFileSystem;

constexpr char kDirectory[] = "/db";

bool Same(const TokenRecord& a, const TokenRecord& b) {
  const auto rate = [](const TokenRecord& record) { return record.rate.value_or(CallRate()); };
  return a.id == b.id && a.digest == b.digest && a.role == b.role &&
         a.all_collections == b.all_collections && a.collections == b.collections &&
         a.label == b.label && a.created_ms == b.created_ms && a.expires_at_ms == b.expires_at_ms &&
         a.rate.has_value() == b.rate.has_value() && rate(a).per_second == rate(b).per_second &&
         rate(a).burst == rate(b).burst;
}

/// A new token works and goes again; the others stay as they are.
void AddAndRevoke(TokenStore* tokens, const std::vector<TokenRecord>& before) {
  const Result<std::string> token = tokens->Create({v1::ROLE_WRITE, {}, "new", {}});
  if (!token.ok()) {
    Require(token.status().code() == StatusCode::kInvalidArgument);  // too many
    return;
  }
  const Result<Caller> caller = tokens->Authenticate(*token);
  Require(caller.ok() && caller->role == v1::ROLE_WRITE);
  Require(tokens->Revoke(caller->token_id).ok());
  Require(!tokens->Authenticate(*token).ok());
  const Result<std::vector<TokenRecord>> after = tokens->List();
  Require(after.ok() && after->size() <= before.size());
  Require(after->size() != before.size() ||
          std::equal(before.begin(), before.end(), after->begin(), Same));
}

void Exercise(std::string_view bytes) {
  PowerCutFileSystem disk;
  Require(disk.CreateDirectory(kDirectory).ok());
  Require(WriteFileAtomically(&disk, std::string(kDirectory) + "/tokens.json", bytes).ok());
  TokenStore tokens(&disk, Clock::System(), kDirectory);
  const Result<std::vector<TokenRecord>> listed = tokens.List();
  const Result<bool> required = tokens.required();
  Require(listed.ok() == required.ok());
  Require(listed.ok() || listed.status().code() == StatusCode::kDataLoss);
  Require(!required.ok() || *required);
  for (const char* token : {"", "x", "leadline__"}) {
    Require(!tokens.Authenticate(token).ok());
  }
  if (!listed.ok()) {
    return;
  }
  for (const TokenRecord& record : *listed) {
    Require(record.role >= v1::ROLE_READ && record.role <= v1::ROLE_ADMIN);
    Require(!tokens.Authenticate("leadline_" + record.id + "_" + std::string(64, '0')).ok());
  }
  AddAndRevoke(&tokens, *listed);
}

}  // namespace
}  // namespace leadline::rpc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  leadline::rpc::Exercise({reinterpret_cast<const char*>(data), size});
  return 0;
}
