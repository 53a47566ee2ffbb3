#include "grpc_call.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include <grpc/support/time.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include "leadline/core/clock.h"
#include "leadline/rpc/address.h"
#include "leadline/rpc/error_wire.h"
#include "leadline/rpc/handoff.h"
#include "leadline/rpc/limits.h"

namespace leadline::rpc {
namespace {

constexpr char kErrorTrailer[] = "leadline-error-bin";
constexpr char kRequestIdKey[] = "x-request-id";
/// How many times as long the callers of streams may take: they work on what they have got.
constexpr int64_t kStreamPatience = 6;

/// For a step that begins now: the thread that gets its event goes on with the call.
void* AsTag(const GrpcCall::Tag& tag) {
  HandOver(&tag);
  return const_cast<GrpcCall::Tag*>(&tag);
}

std::string_view View(const grpc::string_ref& text) {
  return {text.data(), text.size()};
}

/// Empty where there is none.
std::string_view MetadataOf(const grpc::ServerContext& context, const char* key) {
  const auto found = context.client_metadata().find(key);
  return found != context.client_metadata().end() ? View(found->second) : std::string_view();
}

/// Clock::MonotonicNanos value at which `deadline` is; 0 where there is none.
int64_t MonotonicDeadline(gpr_timespec deadline) {
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) {
    return 0;
  }
  const int64_t left_ms = gpr_time_to_millis(gpr_time_sub(deadline, gpr_now(deadline.clock_type)));
  return std::max<int64_t>(1, Clock::System()->MonotonicNanos() + left_ms * 1'000'000);
}

/// Fails only where memory does.
bool Serialize(const google::protobuf::Message& message, grpc::ByteBuffer* bytes) {
  const size_t size = message.ByteSizeLong();
  grpc::ProtoBufferWriter writer(bytes, grpc::kProtoBufferWriterMaxBufferLength,
                                 static_cast<int>(size));
  return message.SerializeToZeroCopyStream(&writer);
}

}  // namespace

void GrpcCall::Await(const CallSource& source) {
  auto* call = new GrpcCall(source);  // frees itself in LetGo
  call->place_ = source.calls->Add(call);
  call->Hold();  // until kArrived
  call->Hold();  // until kOver, which another thread may handle before kArrived
  call->context_.AsyncNotifyWhenDone(AsTag(call->over_));
  source.generic->RequestCall(&call->context_, &call->stream_, source.queue, source.queue,
                              AsTag(call->arrived_));
}

void GrpcCall::LetGo() {
  if (held_.fetch_sub(1) == 1) {
    CallTable* const calls = source_.calls;
    calls->Forget(place_);
    const bool taken_back = cancel_.cancelled() && record_.submitted_nanos == 0;
    if (account_ != nullptr && account_->RemoveCall(admitted_, taken_back)) {
      source_.gate->CutOff(account_);
    }
    delete this;
    calls->Freed();
  }
}

void GrpcCall::WaitForCaller(size_t bytes) {
  const bool streams = method_ != nullptr && method_->shape != CallShape::kUnary;
  const int64_t ms = source_.transfer_ms * (streams ? kStreamPatience : 1) +
                     static_cast<int64_t>(bytes * 1000 / kMinBytesPerSecond);
  due_nanos_.store(Clock::System()->MonotonicNanos() + ms * 1'000'000);
}

void GrpcCall::EndIfStalled(int64_t now_nanos) {
  const int64_t due = due_nanos_.load();
  if (due != 0 && now_nanos >= due && !stalled_.exchange(true)) {
    context_.TryCancel();
  }
}

Status GrpcCall::CallerLeft() {
  return CancelledError(stalled_.load() ? "the caller took too long to send or to take a message"
                                        : "the caller went away");
}

void GrpcCall::Handle(Event event, bool ok) {
  if (event != Event::kOver) {
    due_nanos_.store(0);
  }
  switch (event) {
    case Event::kArrived:
      if (ok) {
        Await(source_);
        Arrived();
      } else {
        LetGo();  // kOver comes for calls that arrived only
      }
      break;
    case Event::kRead:
      ReadDone(ok);
      break;
    case Event::kWritten:
      WrittenDone(ok);
      break;
    case Event::kOver:
      if (context_.IsCancelled()) {
        cancel_.Cancel();
        GoOn(page_wait_->Over());
      }
      break;
    case Event::kFinished:
      break;
  }
  LetGo();
}

void GrpcCall::Arrived() {
  account_ = source_.ledger->Find(PeerInUri(context_.peer()));
  const bool in_bounds = account_ == nullptr || account_->AddCall();
  const Status admitted = Admit();
  if (admitted.ok() && !in_bounds) {
    Finish(ResourceExhaustedError("more than " + std::to_string(kMaxStreamsPerConnection) +
                                  " calls at a time over one connection"));
    return;
  }
  if (!admitted.ok()) {
    Finish(admitted);
    return;
  }
  if (account_ != nullptr) {
    admitted_ = true;
    account_->CallAdmitted();
  }
  deadline_nanos_ = MonotonicDeadline(context_.raw_deadline());
  const bool long_lived =
      method_->shape != CallShape::kUnary || method_->rule.work() == v1::WORK_LONG;
  if (deadline_nanos_ == 0 && !long_lived) {
    deadline_nanos_ = Clock::System()->MonotonicNanos() + kDefaultTimeoutMs * 1'000'000;
  }
  Read();
}

Status GrpcCall::Admit() {
  method_ = FindMethod(context_.method());
  record_.peer = [this] { return PeerInUri(context_.peer()); };
  LEADLINE_ASSIGN_OR_RETURN(
      caller_, source_.service->Admit({.method = method_,
                                       .path = context_.method(),
                                       .transport = Transport::kGrpc,
                                       .authorization = MetadataOf(context_, "authorization"),
                                       .traceparent = MetadataOf(context_, "traceparent"),
                                       .request_id = MetadataOf(context_, kRequestIdKey)},
                                      &record_));
  return {};
}

void GrpcCall::Read() {
  Hold();
  // Between the requests of a stream a caller may rest.
  if (method_->shape != CallShape::kAnswers) {
    WaitForCaller(kMaxMessageBytes);
  }
  stream_.Read(&request_bytes_, AsTag(read_));
}

void GrpcCall::ReadDone(bool ok) {
  if (ok) {
    record_.request_bytes += request_bytes_.Length();
    if (account_ != nullptr) {
      account_->Progress();
    }
    Submit(method_->shape == CallShape::kPages ? &GrpcCall::StartPages : &GrpcCall::AnswerRequest);
  } else if (cancel_.cancelled()) {
    Finish(CallerLeft());
  } else if (method_->shape == CallShape::kAnswers) {
    Finish(OkStatus());
  } else {
    // gRPC says no more than that: of a message too large, cut short or compressed, too.
    Finish(InvalidFieldError("no whole message came", "request", "none",
                             std::to_string(kMaxMessageBytes) + " bytes, not compressed"));
  }
}

void GrpcCall::Submit(void (GrpcCall::*step)()) {
  Hold();
  const Status submitted = source_.service->Submit(*method_, &record_, [this, step] {
    (this->*step)();
    LetGo();
  });
  if (!submitted.ok()) {
    Finish(submitted);
    LetGo();
  }
}

Result<google::protobuf::Message*> GrpcCall::ParseRequest() {
  arena_.Reset();
  google::protobuf::Message* request = method_->request->New(&arena_);
  grpc::ProtoBufferReader reader(&request_bytes_);
  const bool parsed = reader.status().ok() && request->ParseFromZeroCopyStream(&reader);
  request_bytes_.Clear();
  source_.service->EndStage(&record_, &CallRecord::parse_nanos);
  if (!parsed) {
    return InvalidFieldError("message cannot be parsed", "request", "damaged",
                             method_->request->GetDescriptor()->full_name());
  }
  return request;
}

void GrpcCall::AnswerRequest() {
  const Result<google::protobuf::Message*> request = ParseRequest();
  if (!request.ok()) {
    Finish(request.status());
    return;
  }
  google::protobuf::Message* response = method_->response->New(&arena_);
  Hold();  // until the answer is whole
  source_.service->AnswerInTurns(*method_, Context(), **request, response,
                                 [this, response](const Status& status) {
                                   Respond(status, *response);
                                   LetGo();
                                 });
}

void GrpcCall::StartPages() {
  const Result<google::protobuf::Message*> request = ParseRequest();
  if (!request.ok()) {
    Finish(request.status());
    return;
  }
  Result<std::unique_ptr<PageSource>> pages =
      source_.service->StartPages(*method_, Context(), **request);
  if (!pages.ok()) {
    Finish(pages.status());
    return;
  }
  pages_ = *std::move(pages);
  NextPage();
}

void GrpcCall::NextPage() {
  arena_.Reset();
  google::protobuf::Message* response = method_->response->New(&arena_);
  const Result<bool> more = source_.service->NextPage(pages_.get(), Context(), response);
  more_pages_ = more.ok() && *more;
  Respond(more.status(), *response);
}

void GrpcCall::AwaitPage() {
  Hold();  // until GoOn
  if (!page_wait_->Begin(this)) {
    GoOn(this);
    return;
  }
  pages_->WhenReady([wait = page_wait_] { GoOn(wait->Take()); });
}

void GrpcCall::GoOn(GrpcCall* call) {
  if (call != nullptr) {
    call->Submit(&GrpcCall::NextPage);
    call->LetGo();
  }
}

void GrpcCall::Respond(const Status& status, const google::protobuf::Message& response) {
  if (!status.ok()) {
    Finish(status);
    return;
  }
  const size_t size = response.ByteSizeLong();
  if (size > kMaxMessageBytes) {
    Finish(InvalidFieldError("answer too large; ask for less at a time", "response bytes",
                             std::to_string(size), std::to_string(kMaxMessageBytes)));
    return;
  }
  grpc::ByteBuffer bytes;
  if (!Serialize(response, &bytes)) {
    Finish(OutOfMemoryError());
    return;
  }
  source_.service->EndStage(&record_, &CallRecord::write_nanos);
  record_.response_bytes += size;
  Hold();
  WaitForCaller(size);
  if (method_->shape == CallShape::kUnary) {
    End(OkStatus());
    stream_.WriteAndFinish(bytes, grpc::WriteOptions(), grpc::Status::OK, AsTag(finished_));
  } else {
    stream_.Write(bytes, AsTag(written_));
  }
}

void GrpcCall::WrittenDone(bool ok) {
  if (ok && account_ != nullptr) {
    account_->Progress();
  }
  if (!ok) {
    Finish(CallerLeft());
  } else if (method_->shape == CallShape::kAnswers) {
    Read();
  } else if (more_pages_) {
    AwaitPage();
  } else {
    Finish(OkStatus());
  }
}

void GrpcCall::Finish(const Status& status) {
  Hold();
  WaitForCaller(0);
  End(status);
  if (status.ok()) {
    stream_.Finish(grpc::Status::OK, AsTag(finished_));
    return;
  }
  const v1::Error error = WriteError(status, record_.retry_after_ms);
  context_.AddTrailingMetadata(kErrorTrailer, error.SerializeAsString());
  stream_.Finish(grpc::Status(static_cast<grpc::StatusCode>(status.code()), status.message()),
                 AsTag(finished_));
}

void GrpcCall::End(const Status& status) {
  if (account_ != nullptr) {
    account_->CallAnswered();
  }
  context_.AddTrailingMetadata(kRequestIdKey, std::string(record_.request_id.view()));
  source_.service->Ended(record_, status);
}

}  // namespace leadline::rpc
