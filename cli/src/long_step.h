#pragma once

#include <string>
#include <thread>

#include "console.h"
#include "exit_code.h"
#include "leadline/core/mutex.h"
#include "progress_bar.h"
#include "signal_stop.h"

namespace leadline::cli {

/// Surrounds one call of the library that takes long and tells nothing on the way. While alive, a
/// terminal shows the name and the time passed, and a signal lets the call finish; a second one
/// ends the program at once. Externally synchronised.
class LongStep {
 public:
  LongStep(Console& console, std::string name);
  ~LongStep();
  LongStep(const LongStep&) = delete;
  LongStep& operator=(const LongStep&) = delete;

  /// Takes the line off the terminal. Returns `code`, or kInterrupted where a signal came.
  ExitCode Finish(ExitCode code);

 private:
  void Show();
  void StopShowing();

  Console& console_;
  const std::string name_;
  const SignalStop stop_;
  ProgressBar bar_;
  Mutex mutex_;
  CondVar wake_;
  bool done_ LEADLINE_GUARDED_BY(mutex_) = false;
  std::thread shower_;  // last: it uses the members above
};

}  // namespace leadline::cli
