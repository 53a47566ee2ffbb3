#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <google/protobuf/arena.h>
#include <google/protobuf/message.h>

#include "http_routes.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/rpc/service.h"

namespace leadline::rpc {

/// What the head of a request says; empty where it does not.
struct HttpHead {
  std::string verb;
  std::string target;  ///< path and query
  std::string authorization;
  std::string host;
  std::string origin;
  std::string timeout_ms;  ///< Leadline-Timeout-Ms
  std::string traceparent;
  std::string request_id;  ///< X-Request-Id
};

struct HttpReply {
  unsigned status = 200;
  std::string body;
  std::string_view content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
};

/// `retry_after_ms` 0 gives no advice.
HttpReply ErrorReply(const Status& status, int64_t retry_after_ms = 0);

/// One request without its transport: decided by its head, then answered with its body, or noted as
/// cancelled where it goes without either. Externally synchronised; only `cancel` may be fired from
/// elsewhere.
class HttpCall : public std::enable_shared_from_this<HttpCall> {
 public:
  /// `peer` is as CallRecord has it.
  HttpCall(Service* service, std::function<std::string()> peer) : service_(service) {
    record_.peer = std::move(peer);
  }

  HttpCall(const HttpCall&) = delete;
  HttpCall& operator=(const HttpCall&) = delete;

  ~HttpCall();

  /// The answer, where the head alone decides it; else the body may be read.
  std::optional<HttpReply> Begin(const HttpHead& head);

  /// After Begin without an answer: calls `done` once, on this thread or another.
  void Run(std::string body, std::function<void(HttpReply)> done);

  /// The answer where the transport cannot go on: a body too large, or too many at a time.
  HttpReply Refuse(const Status& status);

  CancelToken* cancel() { return &cancel_; }

 private:
  /// All that needs no body. OK where it goes on.
  Status Admit(const HttpHead& head);
  /// For a path that nothing answers, or not by this verb; strangers are not told which.
  Status RefuseUnknown(const HttpHead& head, std::string allowed);
  [[nodiscard]] HttpReply AnswerPage() const;
  /// Notes the end of the call, and says it.
  HttpReply End(HttpReply reply, const Status& status);
  void Answer();
  void Answered(Status status);
  Status WriteAnswer(HttpReply* reply);
  Status ReadRequest(google::protobuf::Message* request);

  Service* const service_;
  MatchedRoute matched_;
  Caller caller_;
  CallRecord record_;
  bool open_ = false;  // arrived, and not ended yet
  CancelToken cancel_;
  int64_t deadline_nanos_ = 0;
  std::string body_;
  std::function<void(HttpReply)> done_;
  std::unique_ptr<google::protobuf::Arena> messages_;  // the next two, until the answer is written
  google::protobuf::Message* request_ = nullptr;
  google::protobuf::Message* response_ = nullptr;
};

}  // namespace leadline::rpc
