#pragma once

namespace leadline::cli {

/// While alive, SIGHUP asks for log files to be opened again instead of ending the program. One
/// object at a time; make it before starting threads.
class SignalHangup {
 public:
  SignalHangup();
  ~SignalHangup();
  SignalHangup(const SignalHangup&) = delete;
  SignalHangup& operator=(const SignalHangup&) = delete;

  /// True where a signal came since the last question.
  [[nodiscard]] bool Take() const;
};

}  // namespace leadline::cli
