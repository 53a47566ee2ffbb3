#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "database_core.h"
#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"

namespace leadline::engine {

struct BuildRequest {
  uint64_t first_ordinal = 0;
  uint64_t last_ordinal = 0;
  uint64_t build_sequence = 0;  ///< sequence `snapshot` shows
  std::shared_ptr<const kv::StoreSnapshot> snapshot;
  std::shared_ptr<const ReadState> tail;  ///< has their vectors; null: no tail is sealed
  uint64_t first_segment_id = 0;          ///< field f gets first_segment_id + f
  bool indexed = true;  ///< false: write what is quick to write; a later merge indexes the rest
  bool wider = false;   ///< start where an ordinary build gave up
  Executor* executor = nullptr;
  CallControl control;
  std::function<void(std::string_view, double)> progress;
};

/// Share of audited rows that must find themselves; below it a graph is built again, wider, and
/// the better of the two is kept. One that still fails is published all the same - it is what
/// searches have, its recall stands in the statistics - and rebuilt once more in the background,
/// wider still. Scanning instead would be exact, and too slow exactly where graphs are needed.
inline constexpr double kSelfRecallFloor = 0.995;

struct BuildAttempt {
  uint32_t ef_construction = 0;
  uint64_t seed = 0;
};

/// What a build tries one after the other when a collection asks for `ef_construction`; none is
/// wider than kMaxEfConstruction.
std::array<BuildAttempt, 2> PlanAttempts(uint32_t ef_construction, bool wider);

/// The widest beam among them.
inline uint32_t WidestBeam(uint32_t ef_construction, bool wider) {
  return PlanAttempts(ef_construction, wider).back().ef_construction;
}

/// Reads the live rows of a range from the store, those of a tail with the vectors that it has in
/// memory, builds one segment per vector field and writes the files durably, on a free thread of
/// the executor while the index is built. Publishes nothing: until the manifest names them the
/// files are garbage.
/// Errors: kCancelled, kResourceExhausted (also memory), kDataLoss (store), kUnavailable; then no
/// file is left, as far as files can be deleted.
/// Memory: the range's vectors plus the index under construction.
Result<GroupEntry> BuildGroup(DatabaseCore* core, const CollectionState& collection,
                              const BuildRequest& request);

/// Deletes the files of a build that nothing names, also half-written ones, as far as they can be
/// deleted.
void RemoveBuiltFiles(DatabaseCore* core, const CollectionState& collection,
                      const BuildRequest& request);

}  // namespace leadline::engine
