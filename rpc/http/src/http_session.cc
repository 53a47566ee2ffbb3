#include "http_session.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <type_traits>
#include <utility>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include "http_call.h"
#include "leadline/core/clock.h"
#include "leadline/core/mutex.h"
#include "leadline/rpc/address.h"
#include "leadline/rpc/limits.h"

namespace leadline::rpc {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using ErrorCode = boost::system::error_code;
using Socket = asio::generic::stream_protocol::socket;
using PlainStream = beast::basic_stream<asio::generic::stream_protocol>;
using TlsStream = beast::ssl_stream<PlainStream>;
using Parser = http::request_parser<http::string_body>;

/// Read and dropped after an answer that ends the connection, so that the caller gets to read it.
constexpr size_t kMaxLingerBytes = 1 << 20;
constexpr int64_t kLingerMs = 2'000;
constexpr size_t kReadBytes = 16 << 10;
constexpr int64_t kHandshakeMs = 10'000;

std::string Text(beast::string_view text) {
  return {text.data(), text.size()};
}

Status BodyTooLarge() {
  return InvalidFieldError("body too large", "body", "more bytes",
                           std::to_string(kMaxMessageBytes) + " bytes");
}

HttpReply TooLarge(HttpReply reply) {
  reply.status = static_cast<unsigned>(http::status::payload_too_large);
  return reply;
}

/// The answer to what is no request; nothing where the connection is just over.
std::optional<HttpReply> ReplyToBroken(const ErrorCode& error) {
  if (error == http::error::end_of_stream || error == http::error::partial_message ||
      error.category() != make_error_code(http::error::bad_method).category()) {
    return std::nullopt;
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    HttpReply reply = ErrorReply(InvalidFieldError("head too large", "headers", "more bytes",
                                                   std::to_string(kMaxHeaderBytes) + " bytes"));
    reply.status = static_cast<unsigned>(http::status::request_header_fields_too_large);
    return reply;
  }
  if (error == http::error::body_limit) {
    return TooLarge(ErrorReply(BodyTooLarge()));
  }
  return ErrorReply(
      InvalidFieldError("not a request: " + error.message(), "request", "damaged", "HTTP/1.1"));
}

/// One connection. Its steps run one after the other on the executor of its stream; each holds the
/// session, and the last one lets it go.
template <typename Stream>
class HttpSession final : public Session, public std::enable_shared_from_this<HttpSession<Stream>> {
 public:
  static constexpr bool kEncrypted = std::is_same_v<Stream, TlsStream>;

  HttpSession(Socket socket, SessionScope* scope)
      : scope_(*scope),
        handle_(socket.native_handle()),
        peer_(std::make_shared<const std::string>(PeerOf(handle_))),
        stream_(std::move(socket)) {}

  HttpSession(Socket socket, SessionScope* scope, std::shared_ptr<TlsContexts::Context> context)
      : scope_(*scope),
        handle_(socket.native_handle()),
        peer_(std::make_shared<const std::string>(PeerOf(handle_))),
        context_(std::move(context)),
        stream_(std::move(socket), *context_) {}

  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  ~HttpSession() override {
    GiveBodyBytes();
    scope_.table->Remove(this);
  }

  void Start() {
    if (!scope_.table->Add(this, this->weak_from_this())) {
      return;
    }
    asio::dispatch(stream_.get_executor(), [self = this->shared_from_this()] {
      if constexpr (kEncrypted) {
        self->ShakeHands();
      } else {
        self->ReadHead();
      }
    });
  }

  void EndIfIdle() override {
    idle_since_.store(0);
    asio::post(stream_.get_executor(), [self = this->shared_from_this()] {
      if (self->call_ == nullptr && !self->writing_) {
        self->Close();
      }
    });
  }

  void Cut() override {
    if (const auto call = InFlight()) {
      call->cancel()->Cancel();
    }
    asio::post(stream_.get_executor(), [self = this->shared_from_this()] { self->Close(); });
  }

  void CheckCaller() override {
    const auto call = InFlight();
    char byte = 0;
    if (call != nullptr && ::recv(handle_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
      call->cancel()->Cancel();
    }
  }

  [[nodiscard]] int64_t idle_since() const override { return idle_since_.load(); }

 private:
  void ShakeHands() {
    idle_since_.store(Clock::System()->MonotonicNanos());
    ExpireAfter(kHandshakeMs);
    stream_.async_handshake(asio::ssl::stream_base::server,
                            [self = this->shared_from_this()](ErrorCode error) {
                              error ? self->Close() : self->ReadHead();
                            });
  }

  void ReadHead() {
    parser_.emplace();
    parser_->header_limit(kMaxHeaderBytes);
    // Bodies are weighed once the caller is known (Beast takes no limit for a limit of nothing).
    parser_->body_limit(std::numeric_limits<uint64_t>::max());
    idle_since_.store(Clock::System()->MonotonicNanos());
    ExpireAfter(scope_.options.idle_ms);
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = this->shared_from_this()](ErrorCode error, size_t) { self->OnHead(error); });
  }

  void OnHead(const ErrorCode& error) {
    idle_since_.store(0);
    if (error) {
      Break(error);
      return;
    }
    call_ = std::make_shared<HttpCall>(scope_.service, [peer = peer_] { return *peer; });
    const auto& request = parser_->get();
    HttpHead head{Text(request.method_string()),
                  Text(request.target()),
                  Text(request[http::field::authorization]),
                  Text(request[http::field::host]),
                  Text(request[http::field::origin]),
                  Text(request["leadline-timeout-ms"]),
                  Text(request["traceparent"]),
                  Text(request["x-request-id"])};
    if (std::optional<HttpReply> reply = call_->Begin(head)) {
      Respond(*std::move(reply), parser_->is_done());
    } else if (parser_->is_done()) {
      Work({});
    } else {
      WeighBody();
    }
  }

  void WeighBody() {
    const auto length = parser_->content_length();
    if (length && *length > kMaxMessageBytes) {
      Respond(TooLarge(call_->Refuse(BodyTooLarge())), false);
      return;
    }
    body_bytes_ = length ? *length : kMaxMessageBytes;
    if (!scope_.table->TakeBodyBytes(body_bytes_)) {
      body_bytes_ = 0;
      Respond(call_->Refuse(ResourceExhaustedError("too many bodies at a time; try again later")),
              false);
      return;
    }
    parser_->body_limit(kMaxMessageBytes);
    if (beast::iequals(parser_->get()[http::field::expect], "100-continue")) {
      SayContinue();
    } else {
      ReadBody();
    }
  }

  void SayContinue() {
    auto interim = std::make_shared<http::response<http::empty_body>>(http::status::continue_, 11);
    ExpireAfter(scope_.options.transfer_ms);
    http::async_write(stream_, *interim,
                      [self = this->shared_from_this(), interim](ErrorCode error, size_t) {
                        error ? self->Close() : self->ReadBody();
                      });
  }

  void ReadBody() {
    body_end_nanos_ = Clock::System()->MonotonicNanos() + TransferMs(body_bytes_) * 1'000'000;
    ReadBodyPart();
  }

  /// Who sends nothing for transfer_ms is cut, and so is who is too slow on the whole.
  void ReadBodyPart() {
    const int64_t left_ms = (body_end_nanos_ - Clock::System()->MonotonicNanos()) / 1'000'000;
    ExpireAfter(std::clamp<int64_t>(left_ms, 1, scope_.options.transfer_ms));
    http::async_read_some(stream_, buffer_, *parser_,
                          [self = this->shared_from_this()](ErrorCode error, size_t) {
                            if (error) {
                              self->Break(error);
                            } else if (self->parser_->is_done()) {
                              self->Work(std::move(self->parser_->get().body()));
                            } else {
                              self->ReadBodyPart();
                            }
                          });
  }

  /// From here to the answer only the call's own thread is busy with it.
  void Work(std::string body) {
    Lowest().expires_never();
    SetInFlight(call_);
    call_->Run(std::move(body), [self = this->shared_from_this()](HttpReply reply) {
      self->SetInFlight(nullptr);
      asio::dispatch(self->stream_.get_executor(), [self, reply = std::move(reply)]() mutable {
        self->Respond(std::move(reply), true);
      });
    });
  }

  /// `whole`: the request was read to its end, and another may follow.
  void Respond(HttpReply reply, bool whole) {
    const auto& request = parser_->get();
    const bool keep = whole && request.keep_alive() && !scope_.draining.load();
    response_ = http::response<http::string_body>(static_cast<http::status>(reply.status),
                                                  request.version(), std::move(reply.body));
    for (const auto& [name, value] : reply.headers) {
      response_.set(name, value);
    }
    Send(keep, reply.content_type);
  }

  /// Answers what is no request, and ends.
  void Break(const ErrorCode& error) {
    std::optional<HttpReply> reply = ReplyToBroken(error);
    if (!reply) {
      Close();
      return;
    }
    response_ = http::response<http::string_body>(static_cast<http::status>(reply->status), 11,
                                                  std::move(reply->body));
    Send(false, reply->content_type);
  }

  void Send(bool keep, std::string_view content_type) {
    response_.set(http::field::content_type,
                  beast::string_view(content_type.data(), content_type.size()));
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    response_.keep_alive(keep);
    response_.prepare_payload();
    writing_ = true;
    ExpireAfter(TransferMs(response_.body().size()));
    http::async_write(stream_, response_,
                      [self = this->shared_from_this(), keep](ErrorCode error, size_t) {
                        self->OnSent(error, keep);
                      });
  }

  void OnSent(const ErrorCode& error, bool keep) {
    writing_ = false;
    call_.reset();
    GiveBodyBytes();
    response_ = {};
    if (error) {
      Close();
    } else if (keep && !scope_.draining.load()) {
      ReadHead();
    } else {
      ExpireAfter(kLingerMs);
      EndSending();
    }
  }

  void EndSending() {
    if constexpr (kEncrypted) {
      stream_.async_shutdown(
          [self = this->shared_from_this()](ErrorCode /*error*/) { self->Close(); });
    } else {
      ErrorCode ignored;
      Lowest().socket().shutdown(Socket::shutdown_send, ignored);
      Linger(0);
    }
  }

  void Linger(size_t dropped) {
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(kReadBytes), [self = this->shared_from_this(), dropped](
                                                             ErrorCode error, size_t bytes) {
      if (error || dropped + bytes > kMaxLingerBytes) {
        self->Close();
      } else {
        self->Linger(dropped + bytes);
      }
    });
  }

  void Close() {
    idle_since_.store(0);
    Lowest().cancel();
    ErrorCode ignored;
    Lowest().socket().shutdown(Socket::shutdown_both, ignored);
  }

  void ExpireAfter(int64_t ms) { Lowest().expires_after(std::chrono::milliseconds(ms)); }

  PlainStream& Lowest() { return beast::get_lowest_layer(stream_); }

  [[nodiscard]] int64_t TransferMs(size_t bytes) const {
    return scope_.options.transfer_ms + static_cast<int64_t>(bytes * 1000 / kMinBytesPerSecond);
  }

  void GiveBodyBytes() { scope_.table->GiveBodyBytes(std::exchange(body_bytes_, 0)); }

  void SetInFlight(std::shared_ptr<HttpCall> call) {
    MutexLock lock(&mutex_);
    in_flight_ = std::move(call);
  }

  std::shared_ptr<HttpCall> InFlight() {
    MutexLock lock(&mutex_);
    return in_flight_;
  }

  SessionScope& scope_;
  const int handle_;  // stays open as long as the session lives
  const std::shared_ptr<const std::string> peer_;
  const std::shared_ptr<TlsContexts::Context> context_;  // null where nothing is encrypted
  Stream stream_;
  beast::flat_buffer buffer_{kMaxHeaderBytes + kReadBytes};
  std::optional<Parser> parser_;
  http::response<http::string_body> response_;
  std::shared_ptr<HttpCall> call_;
  size_t body_bytes_ = 0;
  int64_t body_end_nanos_ = 0;
  bool writing_ = false;
  std::atomic<int64_t> idle_since_{0};
  Mutex mutex_;
  std::shared_ptr<HttpCall> in_flight_ LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace

void ServeConnection(Socket socket, SessionScope* scope) {
  if (scope->tls == nullptr) {
    std::make_shared<HttpSession<PlainStream>>(std::move(socket), scope)->Start();
  } else if (auto context = scope->tls->Current()) {
    std::make_shared<HttpSession<TlsStream>>(std::move(socket), scope, std::move(context))->Start();
  }
}

}  // namespace leadline::rpc
