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
    bar_.UpdateTime(stop_.requested() ? "stopping when it is done, Ctrl-C again ends it now" : "");
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
