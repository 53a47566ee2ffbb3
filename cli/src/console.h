#pragma once

#include <string>
#include <string_view>

#include "leadline/core/status.h"

namespace leadline::cli {

/// Where a command writes: results to standard output, everything else to standard error.
/// Externally synchronised.
class Console {
 public:
  Console(bool json, bool quiet) : json_(json), quiet_(quiet) {}

  /// True under --json: results are JSON.
  [[nodiscard]] bool json() const { return json_; }

  [[nodiscard]] bool quiet() const { return quiet_; }

  /// Writes one line of results.
  void Line(std::string_view text);
  /// Writes results as they are.
  void Write(std::string_view text);
  /// Hands all results to the system now, so that a reader of a pipe sees them.
  void Flush();
  /// Tells people something on standard error; silent under --quiet.
  void Message(std::string_view text);
  /// Says on standard error why the command fails; --quiet does not silence it.
  void Error(const Status& status);
  /// True where a progress bar helps: standard error is a terminal and --quiet is not given.
  [[nodiscard]] bool interactive() const;

  /// True where results go to a terminal, and would run into a progress bar there.
  [[nodiscard]] bool results_on_terminal() const;

  /// True once a result could not be written: nobody will read the rest.
  [[nodiscard]] bool broken() const { return failed_; }

  /// kUnavailable when some result could not be written (closed pipe, full disk).
  [[nodiscard]] Status Close();

 private:
  bool json_;
  bool quiet_;
  bool failed_ = false;
};

/// Makes text safe to show on a terminal: control characters and ill-formed UTF-8 become '?'.
std::string Printable(std::string_view bytes);

}  // namespace leadline::cli
