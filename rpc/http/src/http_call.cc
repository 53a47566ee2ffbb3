#include "http_call.h"

#include <charconv>
#include <new>
#include <string_view>

#include "leadline/core/clock.h"
#include "leadline/rpc/error_wire.h"
#include "leadline/rpc/json_wire.h"
#include "leadline/rpc/limits.h"
#include "leadline/v1/maintenance.pb.h"
#include "openapi.h"

namespace leadline::rpc {
namespace {

constexpr int64_t kMaxTimeoutMs = 3'600'000;
constexpr int64_t kMsPerSecond = 1000;
constexpr int64_t kRetryAfterMs = 100;
constexpr std::string_view kMetricsPath = "/leadline.v1.Maintenance/Metrics";
constexpr unsigned kOk = 200;
constexpr unsigned kMethodNotAllowed = 405;
constexpr unsigned kUnavailable = 503;

unsigned HttpStatusOf(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return kOk;
    case StatusCode::kInvalidArgument:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kOutOfRange:
      return 400;
    case StatusCode::kUnauthenticated:
      return 401;
    case StatusCode::kPermissionDenied:
      return 403;
    case StatusCode::kNotFound:
      return 404;
    case StatusCode::kAlreadyExists:
    case StatusCode::kAborted:
      return 409;
    case StatusCode::kResourceExhausted:
      return 429;
    case StatusCode::kCancelled:
      return 499;
    case StatusCode::kUnimplemented:
      return 501;
    case StatusCode::kUnavailable:
      return kUnavailable;
    case StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

/// The host of "host", "host:port" and "[host]:port".
std::string_view WithoutPort(std::string_view authority) {
  const size_t end = authority.starts_with('[') ? authority.find(']') : authority.rfind(':');
  if (authority.starts_with('[')) {
    return authority.substr(0, end == std::string_view::npos ? end : end + 1);
  }
  return authority.substr(0, end);
}

/// A page of another site makes the browser of somebody on this machine send requests here: they
/// name that site, or (once its name leads to this machine) a host that is not this one.
Status CheckBrowser(const HttpHead& head, bool open_to_all) {
  const size_t scheme = head.origin.find("://");
  const bool same = scheme != std::string::npos && head.origin.substr(scheme + 3) == head.host;
  if (!head.origin.empty() && !same) {
    return PermissionDeniedError("the request comes from a page of another origin");
  }
  const std::string_view host = WithoutPort(head.host);
  if (open_to_all && !host.empty() && host != "localhost" && host != "127.0.0.1" &&
      host != "[::1]") {
    return PermissionDeniedError("without tokens only requests to localhost are answered");
  }
  return {};
}

Result<int64_t> TimeoutOf(const std::string& header) {
  if (header.empty()) {
    return kDefaultTimeoutMs;
  }
  int64_t ms = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), ms);
  if (error != std::errc() || end != header.data() + header.size() || ms < 1 ||
      ms > kMaxTimeoutMs) {
    return InvalidFieldError("bad deadline", "leadline-timeout-ms", header.substr(0, 32),
                             "1 to " + std::to_string(kMaxTimeoutMs));
  }
  return ms;
}

}  // namespace

HttpReply ErrorReply(const Status& status, int64_t retry_after_ms) {
  HttpReply reply;
  reply.status = HttpStatusOf(status.code());
  reply.body = "{\"error\":";
  WriteJson(WriteError(status, retry_after_ms), &reply.body);
  reply.body += "}";
  if (retry_after_ms > 0) {
    const int64_t seconds = (retry_after_ms + kMsPerSecond - 1) / kMsPerSecond;
    reply.headers.emplace_back("Retry-After", std::to_string(seconds));
  }
  if (status.code() == StatusCode::kUnauthenticated) {
    reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  }
  return reply;
}

HttpCall::~HttpCall() {
  if (open_) {
    service_->Ended(record_, CancelledError("the caller went away"));
  }
}

std::optional<HttpReply> HttpCall::Begin(const HttpHead& head) {
  const Status admitted = Admit(head);
  if (!admitted.ok()) {
    HttpReply reply = End(ErrorReply(admitted, record_.retry_after_ms), admitted);
    if (!matched_.allowed.empty()) {
      reply.status = kMethodNotAllowed;
      reply.headers.emplace_back("Allow", matched_.allowed);
    }
    return reply;
  }
  return matched_.route->method == nullptr ? std::optional(AnswerPage()) : std::nullopt;
}

Status HttpCall::Admit(const HttpHead& head) {
  const size_t query = head.target.find('?');
  MatchedRoute matched;
  LEADLINE_ASSIGN_OR_RETURN(matched, MatchRoute(head.verb, head.target.substr(0, query)));
  if (matched.route != nullptr && matched.route->method == nullptr) {
    matched_ = std::move(matched);
    return CheckBrowser(head, false);
  }
  open_ = true;
  Result<Caller> caller =
      service_->Admit({.method = matched.route != nullptr ? matched.route->method : nullptr,
                       .path = head.target,
                       .transport = Transport::kHttp,
                       .authorization = head.authorization,
                       .traceparent = head.traceparent,
                       .request_id = head.request_id},
                      &record_);
  if (!caller.ok() && matched.route == nullptr) {
    return RefuseUnknown(head, std::move(matched.allowed));
  }
  LEADLINE_ASSIGN_OR_RETURN(caller_, std::move(caller));
  LEADLINE_RETURN_IF_ERROR(CheckBrowser(head, caller_.token_id.empty()));
  if (query != std::string::npos && matched.route->method->path != kMetricsPath) {
    return InvalidFieldError("a query in the address", "query", head.target.substr(query, 64),
                             "fields in the body");
  }
  LEADLINE_ASSIGN_OR_RETURN(const int64_t timeout_ms, TimeoutOf(head.timeout_ms));
  if (!head.timeout_ms.empty() || matched.route->method->rule.work() != v1::WORK_LONG) {
    deadline_nanos_ = Clock::System()->MonotonicNanos() + timeout_ms * 1'000'000;
  }
  matched_ = std::move(matched);
  return {};
}

Status HttpCall::RefuseUnknown(const HttpHead& head, std::string allowed) {
  LEADLINE_ASSIGN_OR_RETURN(const Caller caller, service_->Authenticate(head.authorization));
  LEADLINE_RETURN_IF_ERROR(CheckBrowser(head, caller.token_id.empty()));
  if (caller.role == v1::ROLE_PUBLIC) {
    return {StatusCode::kUnauthenticated, "a token is required"};
  }
  matched_.allowed = std::move(allowed);
  return matched_.allowed.empty()
             ? NotFoundError("no such path: " + head.target.substr(0, 256))
             : UnimplementedError("the path has no " + head.verb.substr(0, 32));
}

HttpReply HttpCall::End(HttpReply reply, const Status& status) {
  if (std::exchange(open_, false)) {
    record_.response_bytes += reply.body.size();
    reply.headers.emplace_back("X-Request-Id", record_.request_id.view());
    service_->Ended(record_, status);
  }
  return reply;
}

HttpReply HttpCall::Refuse(const Status& status) {
  if (status.code() == StatusCode::kResourceExhausted && record_.retry_after_ms == 0) {
    record_.retry_after_ms = kRetryAfterMs;
  }
  return End(ErrorReply(status, record_.retry_after_ms), status);
}

HttpReply HttpCall::AnswerPage() const {
  HttpReply reply;
  const bool ready = service_->ready();
  switch (matched_.route->page) {
    case Page::kOpenApi:
      reply.body = OpenApiDocument();
      break;
    case Page::kHealth:
    case Page::kReady:
      reply.status = ready ? kOk : kUnavailable;
      reply.body = ready ? R"({"status":"serving"})" : R"({"status":"draining"})";
      break;
    case Page::kLive:
    case Page::kNone:
      reply.body = R"({"status":"alive"})";
      break;
  }
  return reply;
}

void HttpCall::Run(std::string body, std::function<void(HttpReply)> done) {
  body_ = std::move(body);
  done_ = std::move(done);
  record_.request_bytes += body_.size();
  const Status submitted = service_->Submit(*matched_.route->method, &record_,
                                            [self = shared_from_this()] { self->Answer(); });
  if (!submitted.ok()) {
    std::exchange(done_, nullptr)(Refuse(submitted));
  }
}

void HttpCall::Answer() {
  Status status;
  Service::Answered answered;
  try {
    const Method& method = *matched_.route->method;
    messages_ = std::make_unique<google::protobuf::Arena>();
    request_ = method.request->New(messages_.get());
    response_ = method.response->New(messages_.get());
    answered = [self = shared_from_this()](const Status& end) { self->Answered(end); };
    status = ReadRequest(request_);
  } catch (const std::bad_alloc&) {
    status = OutOfMemoryError();
  }
  service_->EndStage(&record_, &CallRecord::parse_nanos);
  if (!status.ok()) {
    Answered(status);
    return;
  }
  service_->AnswerInTurns(*matched_.route->method, {&caller_, &cancel_, deadline_nanos_, &record_},
                          *request_, response_, std::move(answered));
}

void HttpCall::Answered(Status status) {
  HttpReply reply;
  if (status.ok()) {
    try {
      status = WriteAnswer(&reply);
    } catch (const std::bad_alloc&) {
      status = OutOfMemoryError();
    }
  }
  messages_.reset();
  std::exchange(done_, nullptr)(status.ok() ? End(std::move(reply), status) : Refuse(status));
}

Status HttpCall::WriteAnswer(HttpReply* reply) {
  if (response_->GetDescriptor() == v1::MetricsResponse::descriptor()) {
    reply->body = std::move(*static_cast<v1::MetricsResponse*>(response_)->mutable_text());
    reply->content_type = kMetricsContentType;
    return {};
  }
  WriteJson(*response_, &reply->body);
  service_->EndStage(&record_, &CallRecord::write_nanos);
  return reply->body.size() <= kMaxMessageBytes
             ? OkStatus()
             : InvalidFieldError("answer too large; ask for less at a time", "response bytes",
                                 std::to_string(reply->body.size()),
                                 std::to_string(kMaxMessageBytes));
}

Status HttpCall::ReadRequest(google::protobuf::Message* request) {
  LEADLINE_RETURN_IF_ERROR(ReadJson(body_, request));
  std::string().swap(body_);
  const auto& reflection = *request->GetReflection();
  for (auto& [name, value] : matched_.fields) {
    const auto* field = request->GetDescriptor()->FindFieldByName(name);
    if (reflection.HasField(*request, field)) {
      return InvalidFieldError("given in the path and in the body", name, value.substr(0, 128),
                               "in the path only");
    }
    reflection.SetString(request, field, std::move(value));
  }
  return {};
}

}  // namespace leadline::rpc
