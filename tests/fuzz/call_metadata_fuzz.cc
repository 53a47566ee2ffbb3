// What a call brings before its body, as headers that came through a parser: nobody is let in
// without the one token that there is, names are the caller's where they are valid and else our
// own. Input: lines for target, Authorization, Host, Origin, Leadline-Timeout-Ms, traceparent,
// X-Request-Id and the verb.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "fuzzed_service.h"
#include "http_call.h"
#include "leadline/rpc/call_record.h"
#include "leadline/rpc/trace_context.h"

namespace leadline::rpc {
namespace {

/// The token that the corpus knows, and the file that knows its digest.
constexpr std::string_view kAuthorization =
    "Bearer leadline_0123456789ab_"
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
constexpr char kTokens[] = R"({"version":1,"tokens":[{"id":"0123456789ab","sha256":")"
                           "d6eed1d6e1f534ea62601c9d4ede4f911ac6ed6b33a765b39eca03cd6c71c8fb"
                           R"(","role":"read","label":"","created_ms":0}]})";

std::string TakeLine(std::string_view* input) {
  const std::string line(input->substr(0, input->find('\n')));
  input->remove_prefix(std::min(input->size(), line.size() + 1));
  return line;
}

std::string HeaderOf(const HttpReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) {
      return value;
    }
  }
  return "";
}

/// Without a token only what is for everybody is answered with anything but a refusal.
void CheckReply(const HttpHead& head, const HttpReply& reply) {
  const bool knows_token = head.authorization == kAuthorization;
  const std::string_view path = std::string_view(head.target).substr(0, head.target.find('?'));
  const bool page =
      path == "/livez" || path == "/readyz" || path == "/healthz" || path == "/openapi.json";
  const bool refused = reply.status == 400 || reply.status == 401 || reply.status == 403;
  Require(knows_token || page || refused);
  Require(reply.status != 500);
  const std::string id = HeaderOf(reply, "X-Request-Id");
  Require(id.empty() || RequestId::Valid(id));
  Require(id.empty() || !RequestId::Valid(head.request_id) || id == head.request_id);
}

void CheckTrace(const std::string& text) {
  const auto trace = ParseTraceparent(text);
  if (!trace) {
    return;
  }
  Require(text.substr(3, 32) == trace->TraceIdHex());
  Require(trace->TraceIdHex() != std::string(32, '0'));
}

void Exercise(Service* service, std::string_view input) {
  HttpHead head;
  for (std::string* field : {&head.target, &head.authorization, &head.host, &head.origin,
                             &head.timeout_ms, &head.traceparent, &head.request_id}) {
    *field = TakeLine(&input);
  }
  head.verb = input.empty() ? "GET" : TakeLine(&input);
  CheckTrace(head.traceparent);
  const auto call = std::make_shared<HttpCall>(service, nullptr);
  std::optional<HttpReply> reply = call->Begin(head);
  if (reply) {
    CheckReply(head, *reply);
  } else {
    Require(head.authorization == kAuthorization);
    CheckReply(head, call->Refuse(CancelledError("enough")));
  }
}

}  // namespace
}  // namespace leadline::rpc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const kServed = new leadline::rpc::FuzzedService(leadline::rpc::kTokens);
  leadline::rpc::Exercise(kServed->service(), {reinterpret_cast<const char*>(data), size});
  return 0;
}
