#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include <google/protobuf/arena.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include "call_table.h"
#include "connection_gate.h"
#include "connection_ledger.h"
#include "leadline/core/mutex.h"
#include "leadline/rpc/call_record.h"
#include "leadline/rpc/handoff.h"
#include "leadline/rpc/method_table.h"
#include "leadline/rpc/page_source.h"
#include "leadline/rpc/service.h"

namespace leadline::rpc {

class GrpcCall;

/// A call that waits for its next page. Whoever is first goes on with it: what it waits for, or the
/// news that it is over. Outlives the call where what it waits for comes too late. Thread-safe.
class PageWait {
 public:
  /// False where the call is over, and there is nothing to wait for.
  bool Begin(GrpcCall* call) {
    MutexLock lock(&mutex_);
    call_ = over_ ? nullptr : call;
    return !over_;
  }

  /// The call that waits, for one taker; null where none does.
  GrpcCall* Take() {
    MutexLock lock(&mutex_);
    return std::exchange(call_, nullptr);
  }

  /// The call is over. Returns it where it waits.
  GrpcCall* Over() {
    MutexLock lock(&mutex_);
    over_ = true;
    return std::exchange(call_, nullptr);
  }

 private:
  Mutex mutex_;
  GrpcCall* call_ LEADLINE_GUARDED_BY(mutex_) = nullptr;
  bool over_ LEADLINE_GUARDED_BY(mutex_) = false;
};

/// Where calls come from. Borrowed; outlives them.
struct CallSource {
  Service* service = nullptr;
  grpc::AsyncGenericService* generic = nullptr;
  grpc::ServerCompletionQueue* queue = nullptr;
  CallTable* calls = nullptr;
  ConnectionLedger* ledger = nullptr;
  ConnectionGate* gate = nullptr;
  /// How long a caller may take to send a request or take an answer beyond what its size needs.
  int64_t transfer_ms = 0;
};

/// One gRPC call from its wait to its end; owns itself. Every step is started by a polling thread
/// that got the event of the one before (OnEvent), or by the work of the call: never two at a time,
/// but for the news that the call is over, which only fires the cancel token.
class GrpcCall {
 public:
  /// Waits for the next call of any method.
  static void Await(const CallSource& source);

  enum class Event { kArrived, kRead, kWritten, kFinished, kOver };

  /// What the queue gives back.
  struct Tag {
    GrpcCall* call;
    Event event;
  };

  /// `ok` as the queue says.
  static void OnEvent(const Tag& tag, bool ok) {
    TakeOver(&tag);
    tag.call->Handle(tag.event, ok);
  }

  /// Ends the call where it has waited for its caller until `now_nanos` in vain. From any thread.
  void EndIfStalled(int64_t now_nanos);

 private:
  explicit GrpcCall(const CallSource& source) : source_(source), stream_(&context_) {}

  /// One block for the messages of most calls, of a size that the allocator keeps for the thread.
  static google::protobuf::ArenaOptions FirstBlock() {
    google::protobuf::ArenaOptions options;
    options.start_block_size = 1024;
    return options;
  }

  ~GrpcCall() = default;

  void Handle(Event event, bool ok);
  void Arrived();
  /// From here to the next event the caller is waited for: for a message of `bytes` bytes.
  void WaitForCaller(size_t bytes);
  /// Service::Admit: all that needs no body.
  Status Admit();
  void Read();
  void ReadDone(bool ok);
  /// Puts `step` where calls of this method run.
  void Submit(void (GrpcCall::*step)());
  /// Steps of the call's work.
  void AnswerRequest();
  void StartPages();
  void NextPage();
  void AwaitPage();
  /// Goes on with a call that waited for its next page; null does nothing.
  static void GoOn(GrpcCall* call);
  void Respond(const Status& status, const google::protobuf::Message& response);
  void WrittenDone(bool ok);
  void Finish(const Status& status);
  /// Where the queue says that a step of the caller failed.
  Status CallerLeft();
  /// Notes the end, before the caller can see it.
  void End(const Status& status);

  /// One step that the queue will report has begun, or one has ended: the last one frees the call.
  void Hold() { held_.fetch_add(1); }

  void LetGo();

  [[nodiscard]] Result<google::protobuf::Message*> ParseRequest();

  [[nodiscard]] CallContext Context() { return {&caller_, &cancel_, deadline_nanos_, &record_}; }

  const CallSource source_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_;
  const Tag arrived_{this, Event::kArrived};
  const Tag read_{this, Event::kRead};
  const Tag written_{this, Event::kWritten};
  const Tag finished_{this, Event::kFinished};
  const Tag over_{this, Event::kOver};
  std::atomic<int> held_{0};
  const std::shared_ptr<PageWait> page_wait_ = std::make_shared<PageWait>();
  std::atomic<int64_t> due_nanos_{0};  // when the caller must have acted; 0: it need not
  std::atomic<bool> stalled_{false};
  CallTable::Place place_;
  std::shared_ptr<ConnectionAccount> account_;  // null for paths
  bool admitted_ = false;                       // to the account

  const Method* method_ = nullptr;
  Caller caller_;
  CallRecord record_;
  CancelToken cancel_;
  int64_t deadline_nanos_ = 0;
  grpc::ByteBuffer request_bytes_;
  google::protobuf::Arena arena_{FirstBlock()};  // of one request and its response
  std::unique_ptr<PageSource> pages_;
  bool more_pages_ = false;
};

}  // namespace leadline::rpc
