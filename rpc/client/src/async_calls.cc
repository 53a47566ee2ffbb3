#include "async_calls.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include <grpc/support/time.h>

#include "leadline/core/clock.h"
#include "leadline/rpc/handoff.h"

namespace leadline::rpc {
namespace {

/// How often calls with a cancel token, and pauses, are looked at.
constexpr int64_t kTickNanos = 10'000'000;

int64_t NowNanos() {
  return Clock::System()->MonotonicNanos();
}

gpr_timespec NextTick() {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(kTickNanos, GPR_TIMESPAN));
}

}  // namespace

AsyncCalls::~AsyncCalls() {
  {
    MutexLock lock(&core_->mutex);
    core_->closing = true;
    core_->changed.NotifyAll();
  }
  MutexLock lock(&mutex_);
  if (!thread_.joinable()) {
    core_->queue.Shutdown();
  } else if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

Status AsyncCalls::BeginThread() {
  MutexLock lock(&mutex_);
  if (thread_.joinable()) {
    return {};
  }
  try {
    thread_ = std::thread([core = core_] { core->Run(); });
  } catch (const std::system_error& error) {
    return ResourceExhaustedError(std::string("no thread for answers: ") + error.what());
  }
  return {};
}

Status AsyncCalls::Start(std::unique_ptr<AsyncCall> call) {
  LEADLINE_RETURN_IF_ERROR(BeginThread());
  if (call->cancel != nullptr) {
    MutexLock lock(&core_->mutex);
    core_->watched.push_back(call.get());
  }
  if (core_->open.fetch_add(1) == 0) {
    MutexLock lock(&core_->mutex);
    core_->changed.NotifyAll();
  }
  AsyncCall* const tag = call.release();  // the thread's from Finish on
  tag->reader->StartCall();
  HandOver(tag);
  tag->reader->Finish(&tag->answer, &tag->status, tag);
  return {};
}

void AsyncCalls::RunLater(int64_t pause_ms, std::function<void()> work) {
  core_->open.fetch_add(1);
  core_->pauses.push_back({NowNanos() + pause_ms * 1'000'000, std::move(work)});
}

void AsyncCalls::Core::Run() {
  int64_t looked_nanos = 0;
  while (WaitForCalls()) {
    void* tag = nullptr;
    bool ok = false;
    if (queue.AsyncNext(&tag, &ok, NextTick()) == grpc::CompletionQueue::GOT_EVENT) {
      Take(static_cast<AsyncCall*>(tag));
    }
    const int64_t now = NowNanos();
    if (now - looked_nanos >= kTickNanos) {
      LookAround(now);
      looked_nanos = now;
    }
  }
  queue.Shutdown();
}

bool AsyncCalls::Core::WaitForCalls() {
  if (open.load() > 0) {
    return true;
  }
  MutexLock lock(&mutex);
  while (open.load() == 0 && !closing) {
    changed.Wait(&mutex);
  }
  return open.load() > 0;
}

void AsyncCalls::Core::Take(AsyncCall* call) {
  TakeOver(call);
  const std::unique_ptr<AsyncCall> ended(call);
  if (call->cancel != nullptr) {
    MutexLock lock(&mutex);
    std::erase(watched, call);
  }
  call->ended(call);
  call->ended = nullptr;  // and what it keeps, before nobody waits for this call any more
  open.fetch_sub(1);
}

void AsyncCalls::Core::LookAround(int64_t now_nanos) {
  {
    MutexLock lock(&mutex);
    for (AsyncCall* call : watched) {
      if (call->cancel->cancelled()) {
        call->context.TryCancel();
      }
    }
  }
  std::vector<Pause> due;
  for (Pause& pause : pauses) {
    if (pause.due_nanos <= now_nanos) {
      due.push_back(std::move(pause));
    }
  }
  std::erase_if(pauses, [now_nanos](const Pause& pause) { return pause.due_nanos <= now_nanos; });
  for (Pause& pause : due) {
    pause.work();
    pause.work = nullptr;
    open.fetch_sub(1);
  }
}

}  // namespace leadline::rpc
