#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "leadline/rpc/call_record.h"

namespace leadline::rpc {

/// Gives calls names that no other call of any server has: a counter, scrambled by constants that
/// the system's randomness chose at the start. Not secret. Thread-safe, lock-free.
class CallNamer {
 public:
  CallNamer();

  /// Fills request_id and trace, from what the caller sent where that is valid.
  void Name(const Arrival& arrival, CallRecord* record);

 private:
  std::array<uint64_t, 3> seeds_{};
  std::atomic<uint64_t> next_{1};
};

}  // namespace leadline::rpc
