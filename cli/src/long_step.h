#pragma once

#include <string>
#include <string_view>
#include <thread>

#include "console.h"
#include "exit_code.h"
#include "leadline/core/mutex.h"
#include "leadline/core/options.h"
#include "progress_bar.h"
#include "signal_stop.h"

namespace leadline::cli {

/// Surrounds one call of the library that takes long. While alive, a terminal shows the name, what
/// is being done, how much of it is done, the time passed and the time left, and a signal ends the
/// call made with options(); a second one ends the program at once. Externally synchronised.
class LongStep {
 public:
  LongStep(Console& console, std::string name);
  ~LongStep();
  LongStep(const LongStep&) = delete;
  LongStep& operator=(const LongStep&) = delete;

  /// For the call: the signal's token and the line on the terminal. Borrows this.
  [[nodiscard]] CallOptions options();

  /// `status` of the call; where the signal ended it, an error that says so and `what_is_left`.
  [[nodiscard]] Status Explain(const Status& status, std::string_view what_is_left) const;

  /// Takes the line off the terminal. Returns `code`, or kInterrupted where a signal came too late
  /// to end the call.
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
  std::string doing_ LEADLINE_GUARDED_BY(mutex_);
  double share_ LEADLINE_GUARDED_BY(mutex_) = 0;  // of what is being done; 0 where nobody knows
  std::thread shower_;                            // last: it uses the members above
};

}  // namespace leadline::cli
