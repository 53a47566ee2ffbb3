#pragma once

#include "leadline/core/status.h"

namespace leadline::cli {

/// What the program tells the shell. Scripts rely on the numbers: never renumber.
enum class ExitCode : int {
  kDone = 0,
  kNegativeVerdict = 1,  ///< a gate failed, a check found damage
  kInvalidInput = 2,     ///< wrong usage or invalid input; nothing was changed
  kInconclusive = 3,
  kCouldNotRun = 4,    ///< I/O, lock, no space, network, missing device
  kInterrupted = 130,  ///< SIGINT or SIGTERM; what was acknowledged stays
};

/// The only place that maps errors to exit codes: the caller's fault is kInvalidInput, a fired
/// CancelToken is kInterrupted, everything else is kCouldNotRun.
ExitCode ExitCodeOf(const Status& status);

/// Turns damage found in a file that the user handed in (kDataLoss) into kInvalidArgument: the
/// database is fine, the input is not. Other errors pass unchanged.
Status AsInputError(const Status& status);

}  // namespace leadline::cli
