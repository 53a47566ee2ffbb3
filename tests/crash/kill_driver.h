#pragma once

/// Starts the worker, kills it, opens what is left and compares it with the expected state. Shared
/// by the tests that kill at random moments and at named points.

#include <array>
#include <cstdint>
#include <string>

#include "crash_workload.h"
#include "leadline/core/rng.h"

namespace leadline::testing {

struct KillPlan {
  std::string point;       ///< kill point, or empty
  uint64_t countdown = 1;  ///< pass of `point` at which it kills
  /// Time from the worker's first "R" line until it is killed from outside.
  int64_t patience_ms = 0;
  std::string durability = "sync";
  bool recover_only = false;  ///< the worker only opens and closes
};

struct KillOutcome {
  bool ready = false;     ///< the worker came as far as an open database
  bool by_point = false;  ///< it died at the plan's point
  uint64_t acknowledged = 0;
};

/// Failures are reported through GoogleTest. Thread-compatible.
class KillDriver {
 public:
  /// Creates the database in the missing directory `path`.
  KillDriver(std::string path, uint64_t seed);

  /// Runs the worker under `plan` until it is dead, and applies what it acknowledged.
  KillOutcome RunAndKill(const KillPlan& plan);
  /// Opens the database, decides for each stream whether the step in flight arrived, compares
  /// everything, looks at what backups have left, and closes.
  void Verify();

  [[nodiscard]] const SearchTally& tally() const { return tally_; }

  /// Steps of a stream that arrived.
  [[nodiscard]] uint64_t done(size_t stream) const { return done_[stream]; }

 private:
  void TakeAcknowledgements(const std::string& text, KillOutcome* outcome);
  void VerifyStream(Database* database, int stream);
  void VerifyCollection(Database* database, const std::string& name, const CrashRecords& records);
  void VerifyLeftovers();

  const std::string path_;
  const std::string kill_log_;
  const uint64_t seed_;
  Rng rng_;
  std::array<uint64_t, kCrashStreams> done_{};
  std::array<CrashState, kCrashStreams> states_;
  SearchTally tally_;
};

}  // namespace leadline::testing
