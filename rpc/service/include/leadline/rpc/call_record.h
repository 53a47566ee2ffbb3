#pragma once

/// What is noted of every call, whichever way it came. A transport does five things:
///
///   CallRecord record;                                    // lives as long as its call
///   1. Result<Caller> caller = service->Admit(arrival, &record);   // always, and first
///      An error is the answer; the body is not read.
///   2. record.request_bytes += size of each message that was read
///   3. service->Submit(method, &record, work), and `&record` in the CallContext of Answer,
///      StartPages and NextPage. They note collection, stages, sequence and advice to retry;
///      the transport ends the stages of parsing and writing, which are its own.
///   4. record.response_bytes += size of each message before it is sent
///   5. service->Ended(record, status);  // once, also when Admit refused, before the last byte
///   goes
///
/// Every answer carries `record.request_id` as `x-request-id`, every error
/// `record.retry_after_ms` (WriteError takes it, HTTP also has `retry-after`).
/// A request that is too damaged to be a call (no request line, too many headers) never arrived.

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "leadline/core/status.h"
#include "leadline/rpc/method_table.h"
#include "leadline/rpc/trace_context.h"

namespace leadline::rpc {

enum class Transport : uint8_t { kGrpc, kHttp };

/// "grpc" or "http", as metrics and logs say it.
std::string_view TransportName(Transport transport);

/// Why a call was turned away, or a stream ended by one of its requests.
enum class Refusal : uint8_t { kNone, kUnauthenticated, kPermission, kRate, kQueue, kStopping };

/// What a call brings before its body. Borrowed for the length of Admit. Header values stand as
/// they came: empty where there is none, and checked by nobody yet.
struct Arrival {
  const Method* method = nullptr;  ///< null where FindMethod knows none
  std::string_view path = "";      ///< as the caller wrote it, for the error of an unknown method
  Transport transport = Transport::kGrpc;
  std::string_view authorization = "";  ///< "Bearer TOKEN"
  std::string_view traceparent = "";
  std::string_view request_id = "";  ///< x-request-id
};

/// The name of one call that users can quote: 1 to 64 bytes of [A-Za-z0-9_-].
class RequestId {
 public:
  static constexpr size_t kMaxBytes = 64;

  RequestId() = default;

  /// True where a caller may choose `text`.
  static bool Valid(std::string_view text);

  /// `text` must be valid.
  explicit RequestId(std::string_view text);

  [[nodiscard]] std::string_view view() const { return {text_.data(), size_}; }

 private:
  std::array<char, kMaxBytes> text_{};
  uint8_t size_ = 0;
};

/// One call from its arrival to its end. Externally synchronised: steps of one call come one after
/// the other. Holds nothing of what the call carries, and no secret.
struct CallRecord {
  // Filled by Service::Admit.
  const Method* method = nullptr;
  Transport transport = Transport::kGrpc;
  RequestId request_id;  ///< the caller's where it is valid, else one of our own
  TraceContext trace;    ///< the caller's where it is valid, else a new trace
  std::string token_id;  ///< empty where no token was asked for, or none was accepted
  int64_t arrived_nanos = 0;

  // Filled by Submit, Answer, StartPages and NextPage.
  std::string collection;  ///< empty where unknown, or the whole database is meant
  int64_t submitted_nanos = 0;
  int64_t began_nanos = 0;
  int64_t queue_nanos = 0;  ///< waited for a slot or a worker; of streams in all, as the next
  int64_t parse_nanos = 0;  ///< bytes into a message
  int64_t work_nanos = 0;   ///< checked and answered
  int64_t write_nanos = 0;  ///< the answer into bytes
  uint64_t sequence = 0;    ///< of the last batch that was committed; 0 without one
  uint64_t count = 0;       ///< records that were changed; of streams in all
  Refusal refusal = Refusal::kNone;
  /// Advice that goes with the error; 0 gives none.
  int64_t retry_after_ms = 0;

  // Filled by the transport. Whence the call came: "1.2.3.4:5", "[::1]:5" or "unix". Asked for
  // where somebody writes it down, and where a call without a token waits its turn.
  std::function<std::string()> peer;
  // Messages as they are on the wire, without framing.
  uint64_t request_bytes = 0;
  uint64_t response_bytes = 0;
};

/// A call that ended. Borrowed for the length of CallObserver::Ended.
struct CallEnd {
  const CallRecord& record;
  const Status& status;
  int64_t total_nanos = 0;  ///< since it arrived
};

/// Whoever wants to know of every call: metrics, logs, and what a program adds
/// (ServiceOptions::observers), for example to export spans.
class CallObserver {
 public:
  virtual ~CallObserver() = default;

  /// Called once for every call, on the thread that ends it: from several at a time. Must be quick:
  /// the answer waits for it.
  virtual void Ended(const CallEnd& end) = 0;
};

}  // namespace leadline::rpc
