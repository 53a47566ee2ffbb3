#pragma once

/// Calls that are made one after the other, or when they fall due, and how long they took.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "leadline/core/status.h"

namespace leadline::bench {

/// What one call did.
struct Answer {
  size_t queries = 0;
  size_t right = 0;  ///< of kTop each
};

/// One client: makes call `number` and waits for its answer. Not shared between threads.
using Caller = std::function<Result<Answer>(size_t number)>;

struct LoopOptions {
  double seconds = 5;
  double warmup_seconds = 0.5;
  /// Before that the clients together make calls 0 up to this number once each: recall is of these.
  size_t pass_calls = 0;
  /// Calls that fall due each second, at random moments (Poisson); 0 makes each client call again
  /// as soon as it has its answer.
  double rate = 0;
  uint64_t seed = 1;
};

/// Processor time and context switches of this process, for differences.
struct ProcessUse {
  double cpu_seconds = 0;
  int64_t context_switches = 0;

  static ProcessUse Now();
};

/// What a run took. Times of the process are those of this program alone.
struct LoopResult {
  size_t calls = 0;
  size_t queries = 0;
  size_t pass_queries = 0;  ///< of LoopOptions::pass_calls
  size_t pass_right = 0;
  size_t all_calls = 0;  ///< those before the measurement included
  size_t refused = 0;    ///< kResourceExhausted, which ends no run
  double seconds = 0;
  double cpu_seconds = 0;
  int64_t context_switches = 0;
  /// Of each call. With a rate, from the moment when the call fell due, whether or not a client was
  /// free by then: a server that stalls is charged for all that it held up.
  std::vector<int64_t> nanos;

  /// Adds the calls of one client.
  void Add(const LoopResult& part);
  /// Makes the calls so far those before the measurement.
  void EndWarmUp();
  /// Ends the run that began at `start` with `before`.
  void Close(const ProcessUse& before, std::chrono::steady_clock::time_point start);
};

/// One thread for each client. Any error but kResourceExhausted ends the program.
LoopResult RunLoop(const std::vector<Caller>& clients, const LoopOptions& options);

}  // namespace leadline::bench
