#include "long_step.h"

#include <utility>

namespace leadline::cli {
namespace {

constexpr int64_t kRedrawMillis = 200;

}  // namespace

LongStep::LongStep(Console& console, std::string name)
    : console_(console), name_(std::move(name)), bar_(console, name_, 0, "") {
  if (console.interactive()) {
    shower_ = std::thread([this] { Show(); });
  }
}

LongStep::~LongStep() {
  StopShowing();
}

CallOptions LongStep::options() {
  CallOptions options;
  options.cancel = stop_.token();
  options.progress = [this](std::string_view stage, double share) {
    MutexLock lock(&mutex_);
    doing_ = stage;
    share_ = share;
  };
  return options;
}

Status LongStep::Explain(const Status& status, std::string_view what_is_left) const {
  return status.code() == StatusCode::kCancelled
             ? CancelledError("stopped by a signal: " + std::string(what_is_left))
             : status;
}

ExitCode LongStep::Finish(ExitCode code) {
  StopShowing();
  if (!stop_.requested()) {
    return code;
  }
  console_.Message("stopped by a signal once " + name_ + " was done");
  return ExitCode::kInterrupted;
}

void LongStep::Show() {
  MutexLock lock(&mutex_);
  while (!done_) {
    if (stop_.requested()) {
      bar_.UpdateTime("stopping, Ctrl-C again ends it now");
    } else if (share_ > 0) {
      bar_.UpdateStage(doing_, share_);
    } else {
      bar_.UpdateTime(doing_);
    }
    wake_.WaitFor(&mutex_, kRedrawMillis);
  }
}

void LongStep::StopShowing() {
  {
    MutexLock lock(&mutex_);
    done_ = true;
    wake_.NotifyAll();
  }
  if (shower_.joinable()) {
    shower_.join();
  }
  bar_.Erase();
}

}  // namespace leadline::cli
