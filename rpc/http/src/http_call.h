#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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
};

struct HttpReply {
  unsigned status = 200;
  std::string body;  ///< JSON
  std::vector<std::pair<std::string, std::string>> headers;
};

HttpReply ErrorReply(const Status& status);

/// One request without its transport: decided by its head, then answered with its body. Externally
/// synchronised; only `cancel` may be fired from elsewhere.
class HttpCall : public std::enable_shared_from_this<HttpCall> {
 public:
  explicit HttpCall(Service* service) : service_(service) {}

  /// The answer, where the head alone decides it; else the body may be read.
  std::optional<HttpReply> Begin(const HttpHead& head);

  /// After Begin without an answer: calls `done` once, on this thread or another.
  void Run(std::string body, std::function<void(HttpReply)> done);

  CancelToken* cancel() { return &cancel_; }

 private:
  /// All that needs no body. Nothing where it goes on.
  Status Admit(const HttpHead& head);
  [[nodiscard]] HttpReply AnswerPage() const;
  HttpReply Answer();
  Status ReadRequest(google::protobuf::Message* request);

  Service* const service_;
  MatchedRoute matched_;
  Caller caller_;
  CancelToken cancel_;
  int64_t deadline_nanos_ = 0;
  std::string body_;
  std::function<void(HttpReply)> done_;
};

}  // namespace leadline::rpc
