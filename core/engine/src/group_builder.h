#pragma once

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
  uint64_t first_segment_id = 0;  ///< field f gets first_segment_id + f
  bool indexed = true;  ///< false: write flat segments, which is quick; a later merge indexes them
  Executor* executor = nullptr;
  CallControl control;
  std::function<void(std::string_view, double)> progress;
};

/// Share of audited rows that must find themselves; below it a graph is built again, wider.
inline constexpr double kSelfRecallFloor = 0.995;

/// Reads the live rows of a range from the store, builds one segment per vector field and writes
/// the files durably. Publishes nothing: until the manifest names them the files are garbage.
/// Errors: kCancelled, kResourceExhausted, kDataLoss (store), kUnavailable; then no file is left.
/// Memory: the range's vectors plus the index under construction.
Result<GroupEntry> BuildGroup(DatabaseCore* core, const CollectionState& collection,
                              const BuildRequest& request);

}  // namespace leadline::engine
