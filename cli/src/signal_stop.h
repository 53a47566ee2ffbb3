#pragma once

#include "leadline/core/types.h"

namespace leadline::cli {

/// While alive, SIGINT and SIGTERM fire `token()` instead of ending the program, so that work in
/// flight can finish and say how far it came. A second signal ends the program at once. One object
/// at a time; make it before starting threads.
class SignalStop {
 public:
  SignalStop();
  ~SignalStop();
  SignalStop(const SignalStop&) = delete;
  SignalStop& operator=(const SignalStop&) = delete;

  [[nodiscard]] const CancelToken* token() const;

  [[nodiscard]] bool requested() const { return token()->cancelled(); }
};

}  // namespace leadline::cli
