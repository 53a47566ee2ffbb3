#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "collection_state.h"

namespace leadline::engine {

/// A range of ordinals to build into one group: groups [first_group, end_group), or the tail.
///
/// No build takes groups and the tail together. So sealing, which is quick, can go on beside a long
/// merge: their ranges never meet.
struct BuildRange {
  size_t first_group = 0;
  size_t end_group = 0;
  bool seals_tail = false;
  bool indexed = true;
  bool wider = false;  ///< an index whose audit failed: try harder than usual
  uint64_t lane = 0;   ///< of BuildBackoff
  std::string reason;  ///< for progress and logs
};

/// Share of dead rows past which a segment is rebuilt.
inline constexpr double kDeadShareLimit = 0.2;

/// Says that a lane must not be tried now.
using LaneWaits = std::function<bool(uint64_t lane)>;

/// True when the tail is `factor` times past a cap of the options.
bool TailIsFull(const ReadState& state, const DatabaseOptions& options, uint64_t factor = 1);

/// True for a tail that nobody adds to and that is worth a segment: one that no lists serve and
/// that leaves memory so, or one that is merged into lists quickly. Rows sorted by the lists of a
/// segment much larger are searched for less than their own segment would cost, and stay.
bool IdleTailIsDue(const ReadState& state, const CollectionState& owner);

/// Up to `limit` living rows of groups and tail that expired at or before `now_ms`.
void CollectExpired(const ReadState& state, int64_t now_ms, size_t limit,
                    std::vector<SealedSegment::Expired>* expired);

/// The tail, as flat segments; nothing when it is empty.
std::optional<BuildRange> PickSeal(const ReadState& state);

/// What background maintenance should build next from groups, or nothing: rebuilds damaged groups,
/// those with many dead rows and those whose audit failed, merges runs of small groups, and two
/// or more already where that takes seconds, indexes large flat ones. Passes over lanes that wait.
/// `idle`: nobody adds rows, so that a quick merge may be of much larger groups.
std::optional<BuildRange> PickBackgroundBuild(const ReadState& state, const CollectionState& owner,
                                              bool idle, const LaneWaits& waits);

/// What `Optimize` should build next from the groups that start at or before `target`, or nothing
/// when each of them is indexed and sound and no merge pays.
std::optional<BuildRange> PickOptimizeBuild(const ReadState& state, const CollectionState& owner,
                                            uint64_t target);

/// Bytes the files of a build of `range` may take on the disk.
uint64_t EstimateBuildBytes(const ReadState& state, const CollectionState& owner,
                            const BuildRange& range);

}  // namespace leadline::engine
