#pragma once

#include <cstdint>
#include <optional>

#include "collection_state.h"

namespace leadline::engine {

/// A range of ordinals to build into one group; `includes_tail` says that it ends with the tail.
struct BuildRange {
  size_t first_group = 0;  ///< groups [first_group, end_group) are replaced
  size_t end_group = 0;
  bool includes_tail = false;
  bool indexed = true;
  std::string reason;  ///< for progress and logs
};

/// Share of dead rows past which a segment is rebuilt.
inline constexpr double kDeadShareLimit = 0.2;

/// What background maintenance should build next, or nothing. Seals a tail past its caps as flat
/// segments, rebuilds damaged groups and those with many dead rows, merges runs of small groups.
std::optional<BuildRange> PickBackgroundBuild(const ReadState& state, const CollectionState& owner,
                                              uint64_t seal_rows, uint64_t seal_bytes);

/// What `Optimize` should build next, or nothing when every row is in an indexed, sealed segment,
/// nothing is damaged and no merge pays.
std::optional<BuildRange> PickOptimizeBuild(const ReadState& state, const CollectionState& owner);

}  // namespace leadline::engine
