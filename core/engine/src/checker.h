#pragma once

#include <set>
#include <string>

#include "leadline/core/database.h"
#include "long_call.h"
#include "read_view.h"

namespace leadline::engine {

/// What a check found: the report for its caller, and what repair goes by, which no limit cuts off.
struct CheckFindings {
  CheckReport report;
  bool store_damaged = false;         ///< the store itself has bad bytes: any record may be hit
  std::set<std::string> collections;  ///< names of those with more wrong than a segment file
  bool idempotency_damaged = false;   ///< entries of keys, or their order
};

/// Proves at one pinned moment that derived data agrees with the store:
///   I1 every location names a record of that id, every record has its vectors, none is orphaned
///   I2 every record has exactly one location, and it names this record
///   I3 visible rows of segments and tail = records of the store, without overlap
///   I4 no visible row carries another id than its record
///   I5 every file the manifest names is there, with its identity and checksums
///   I6 groups and tail cover ordinals in ascending, disjoint ranges; no record lies outside
///   I7 counters equal recounts
///   I8 vectors in segments and tail equal the stored ones, and exact search over them equals a
///      scan of the store (compared where the rows themselves are right)
///   I9 entries of idempotency keys and their turns can be read and fit each other
/// What could not be read is a problem "IO"; it is damage only where the store said kDataLoss, else
/// nothing is known of it. An error is only what stopped `call`.
/// Cost: reads everything once; memory 16 bytes a record.
Result<CheckFindings> CheckDatabase(const PinnedSnapshot& pinned, LongCall* call);

/// Compares all checksums of the store, as a stage of `call`.
Status VerifyStore(kv::Store* store, LongCall* call);

}  // namespace leadline::engine
