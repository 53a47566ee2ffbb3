#pragma once

/// One call with many requests under way and one answer for each, in order.

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include "leadline/core/clock.h"
#include "leadline/core/status.h"

namespace leadline::bench {

/// Externally synchronised: one thread sends and receives.
template <typename Request, typename Response>
class PipelinedStream {
 public:
  /// At most `window` requests are without an answer at a time.
  PipelinedStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                  size_t window)
      : window_(window), stub_(channel), stream_(stub_.PrepareCall(&context_, method, &queue_)) {}

  PipelinedStream(const PipelinedStream&) = delete;
  PipelinedStream& operator=(const PipelinedStream&) = delete;

  ~PipelinedStream() {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  /// Sends what `next` fills until it returns false; `answered` gets each answer and the
  /// nanoseconds since its request was sent. Returns how the server ended the call; called once.
  Status Run(const std::function<bool(Request*)>& next,
             const std::function<void(const Response&, int64_t)>& answered) {
    stream_->StartCall(Tag(Step::kStarted));
    void* tag = nullptr;
    bool ok = false;
    while (!ended_ && queue_.Next(&tag, &ok)) {
      switch (*static_cast<const Step*>(tag)) {
        case Step::kStarted:
          stream_->Read(&response_, Tag(Step::kRead));
          break;
        case Step::kWritten:
          writing_ = false;
          break;
        case Step::kRead:
          ReadDone(ok, answered);
          break;
        case Step::kFinished:
          ended_ = true;
          break;
      }
      SendMore(next);
    }
    return {static_cast<StatusCode>(status_.error_code()), status_.error_message()};
  }

 private:
  enum class Step { kStarted, kWritten, kRead, kFinished };

  /// What the queue gives back when `step` is over.
  static void* Tag(Step step) {
    static constexpr std::array<Step, 4> kSteps = {Step::kStarted, Step::kWritten, Step::kRead,
                                                   Step::kFinished};
    return const_cast<Step*>(&kSteps[static_cast<size_t>(step)]);
  }

  void SendMore(const std::function<bool(Request*)>& next) {
    if (writing_ || finishing_ || done_ || sent_nanos_.size() >= window_) {
      return;
    }
    writing_ = true;
    request_.Clear();
    if (next(&request_)) {
      sent_nanos_.push_back(Clock::System()->MonotonicNanos());
      stream_->Write(request_, Tag(Step::kWritten));
    } else {
      done_ = true;
      stream_->WritesDone(Tag(Step::kWritten));
    }
  }

  void ReadDone(bool ok, const std::function<void(const Response&, int64_t)>& answered) {
    if (!ok) {
      finishing_ = true;
      stream_->Finish(&status_, Tag(Step::kFinished));
      return;
    }
    answered(response_, Clock::System()->MonotonicNanos() - sent_nanos_.front());
    sent_nanos_.pop_front();
    stream_->Read(&response_, Tag(Step::kRead));
  }

  const size_t window_;
  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  grpc::TemplatedGenericStub<Request, Response> stub_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<Request, Response>> stream_;
  grpc::Status status_;
  Request request_;
  Response response_;
  std::deque<int64_t> sent_nanos_;  // of requests without an answer
  bool writing_ = false;            // one write at a time
  bool done_ = false;
  bool finishing_ = false;
  bool ended_ = false;
};

}  // namespace leadline::bench
