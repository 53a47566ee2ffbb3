#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "database_core.h"
#include "leadline/core/call_control.h"
#include "leadline/core/status.h"

namespace leadline::engine {

/// What a database holds in memory of its own accord. `heap` and `kept` share the budget.
struct MemoryUse {
  uint64_t heap = 0;    ///< tails, indexes, delete state, answers of filters
  uint64_t kept = 0;    ///< sections of segment files kept for searches
  uint64_t locked = 0;  ///< of those, what the system must keep too
  uint64_t left = 0;    ///< sections in use that found no room, left to the page cache
  std::string problem;  ///< why something could not be locked; empty where all could
};

/// Of the newest state of all collections. Cost: a few microseconds for each segment and 1,024 rows
/// of a tail.
MemoryUse MeasureMemory(DatabaseCore* core);

/// A section that may be kept, of a segment with `rows` rows.
struct KeepOffer {
  uint64_t bytes = 0;
  uint64_t rows = 0;
};

/// Which of `offers` fit into `room`, those that serve the most rows for their bytes first: of
/// equal ones those that come first.
std::vector<bool> PlanKept(const std::vector<KeepOffer>& offers, uint64_t room);

/// Room for sections in a budget (0: without end) while the heap takes `heap`. A quarter stays free
/// for fresh rows, and an eighth where the heap takes more than that.
uint64_t RoomForSections(uint64_t budget, uint64_t heap);

/// Applies options.memory_budget_bytes and lock_memory to the segments that searches use: keeps
/// codes, links and lists as far as they fit, and lets go of what does not fit any more. Without a
/// budget each section is read once; with one, what the system took back is read again at every
/// fourth call. Externally synchronised.
class MemoryKeeper {
 public:
  /// Errors: those of `control`. What cannot be read is met again by whoever searches it.
  Status Keep(DatabaseCore* core, const CallControl& control);

 private:
  static constexpr uint64_t kCallsPerReview = 4;

  uint64_t calls_ = 0;
};

}  // namespace leadline::engine
