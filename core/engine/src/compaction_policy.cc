#include "compaction_policy.h"

#include <algorithm>
#include <utility>

#include "group_builder.h"
#include "index_registry.h"

namespace leadline::engine {
namespace {

/// Fewer groups than this are left alone by background merges.
constexpr size_t kMinMergeRun = 4;
/// An older group joins a merge when it has at most this many times the rows gathered so far, so
/// that every row is indexed a logarithmic number of times.
constexpr uint64_t kBackgroundGrowth = 2;
constexpr uint64_t kOptimizeGrowth = 8;
/// The same while nobody adds rows, for quick merges.
constexpr uint64_t kIdleGrowth = 32;
/// A tail below both is not worth a segment.
constexpr uint64_t kIdleRows = 1024;
constexpr uint64_t kIdleBytes = uint64_t{4} << 20;
/// Lists over no more bytes of vectors are built in a few seconds: two groups are merged sooner
/// than searched one after the other.
constexpr uint64_t kEagerBytes = uint64_t{128} << 20;
/// A flat group this large deserves its index without waiting for company.
constexpr uint64_t kIndexAloneRows = 20'000;
/// No code takes more room: 16 bits a value, numbers beside it and what fills up a cache line.
constexpr uint64_t kCodeBytesPerValue = 2;
constexpr uint64_t kCodeBytesPerRow = 128;

bool IsDamaged(const SealedGroup& group) {
  return std::any_of(group.segments.begin(), group.segments.end(),
                     [](const auto& segment) { return segment != nullptr && segment->damaged(); });
}

bool HasManyDead(const SealedGroup& group) {
  return std::any_of(group.segments.begin(), group.segments.end(), [](const auto& segment) {
    return segment != nullptr && static_cast<double>(segment->dead_count()) >
                                     kDeadShareLimit * static_cast<double>(segment->rows());
  });
}

/// True when the audit of some graph failed and a wider build has not been tried: the widest that
/// was tried stands in the segment's entry, so each group gets one such rebuild, not one an open.
bool DeservesWiderBuild(const SealedGroup& group, const CollectionState& owner) {
  for (size_t f = 0; f < group.segments.size(); ++f) {
    const auto& segment = group.segments[f];
    if (segment != nullptr && segment->entry().info.kind == IndexKind::kHnsw &&
        segment->entry().info.self_recall < kSelfRecallFloor &&
        segment->entry().info.ef_construction <
            WidestBeam(owner.fields()[f].ef_construction, /*wider=*/false) * 2 &&
        segment->entry().info.ef_construction < kMaxEfConstruction) {
      return true;
    }
  }
  return false;
}

/// False when a build would give the segment another index. A graph built with a wider beam than
/// asked for is as good.
bool HasIndex(const segment::SegmentInfo& info, const VectorField& field, uint64_t room) {
  if (!IsChoiceOf(field, info.rows, room, {info.kind, info.codes})) {
    return false;
  }
  switch (info.kind) {
    case IndexKind::kHnsw:
      return info.m == field.m && info.ef_construction >= field.ef_construction;
    case IndexKind::kIvf:
      return info.nlist == field.nlist;
    case IndexKind::kAuto:
    case IndexKind::kFlat:
      break;
  }
  return true;
}

/// True when some field lacks the index its collection asks for.
bool LacksIndex(const SealedGroup& group, const CollectionState& owner) {
  for (size_t f = 0; f < group.segments.size(); ++f) {
    const auto& segment = group.segments[f];
    if (segment != nullptr &&
        !HasIndex(segment->entry().info, owner.fields()[f], owner.room_for_field())) {
      return true;
    }
  }
  return false;
}

/// True where a group of so many rows has the vectors of all fields in lists, built in seconds.
bool IsQuicklyIndexed(uint64_t rows, const CollectionState& owner) {
  uint64_t bytes = 0;
  for (const VectorField& field : owner.fields()) {
    if (!IsIndexedWhenSealed(field, rows)) {
      return false;
    }
    bytes += rows * field.dim * sizeof(float);
  }
  return bytes <= kEagerBytes;
}

BuildRange OneGroup(const GroupList& groups, size_t i, std::string reason) {
  BuildRange range;
  range.first_group = i;
  range.end_group = i + 1;
  range.lane = BuildBackoff::GroupLane(groups[i]->entry.first_ordinal);
  range.reason = std::move(reason);
  return range;
}

std::optional<BuildRange> PickUnhealthy(const GroupList& groups, const CollectionState& owner,
                                        const LaneWaits& waits) {
  for (size_t i = 0; i < groups.size(); ++i) {
    std::optional<BuildRange> range;
    if (IsDamaged(*groups[i])) {
      range = OneGroup(groups, i, "rebuilding a damaged segment");
    } else if (HasManyDead(*groups[i])) {
      range = OneGroup(groups, i, "rebuilding a segment with many dead rows");
    } else if (DeservesWiderBuild(*groups[i], owner)) {
      range = OneGroup(groups, i, "rebuilding a segment that failed its audit");
      range->wider = true;
    }
    if (range.has_value() && !waits(range->lane)) {
      return range;
    }
  }
  return std::nullopt;
}

std::optional<BuildRange> PickUnindexed(const GroupList& groups, const CollectionState& owner,
                                        uint64_t min_rows, const LaneWaits& waits) {
  for (size_t i = 0; i < groups.size(); ++i) {
    BuildRange range = OneGroup(groups, i, "indexing a segment");
    if (groups[i]->entry.rows >= min_rows && LacksIndex(*groups[i], owner) && !waits(range.lane)) {
      return range;
    }
  }
  return std::nullopt;
}

uint64_t RowsFrom(const GroupList& groups, size_t first) {
  uint64_t rows = 0;
  for (size_t i = first; i < groups.size(); ++i) {
    rows += std::max<uint64_t>(groups[i]->entry.rows, 1);
  }
  return rows;
}

/// The first group of the run that ends with the newest one and grows by `growth`.
size_t FirstOfRun(const GroupList& groups, uint64_t growth) {
  uint64_t gathered = 0;
  size_t first = groups.size();
  while (first > 0 && (gathered == 0 || groups[first - 1]->entry.rows <= growth * gathered)) {
    --first;
    gathered += std::max<uint64_t>(groups[first]->entry.rows, 1);
  }
  return first;
}

/// The groups from `first` on; nothing when they are fewer than `min_run`.
std::optional<BuildRange> MergeFrom(const GroupList& groups, size_t first, size_t min_run,
                                    const LaneWaits& waits) {
  if (groups.size() - first < min_run || waits(BuildBackoff::kMergeLane)) {
    return std::nullopt;
  }
  BuildRange range;
  range.first_group = first;
  range.end_group = groups.size();
  range.lane = BuildBackoff::kMergeLane;
  range.reason = "merging segments";
  return range;
}

/// The first of the newest groups that make one quickly.
size_t FirstQuickGroup(const GroupList& groups, const CollectionState& owner) {
  size_t first = 0;
  while (first < groups.size() && !IsQuicklyIndexed(RowsFrom(groups, first), owner)) {
    ++first;
  }
  return first;
}

/// A merge that costs little and leaves fewer segments to search.
std::optional<BuildRange> PickEagerMerge(const GroupList& groups, const CollectionState& owner,
                                         uint64_t growth, const LaneWaits& waits) {
  const size_t first = std::max(FirstOfRun(groups, growth), FirstQuickGroup(groups, owner));
  return MergeFrom(groups, first, 2, waits);
}

/// True where rows of the tail are searched by the lists of some segment.
bool ListsTail(const GroupList& groups) {
  return std::any_of(groups.begin(), groups.end(), [](const auto& group) {
    return std::any_of(group->entry.fields.begin(), group->entry.fields.end(), [](const auto& f) {
      return f.info.kind == IndexKind::kIvf &&
             (f.info.codes == CodeType::kSq8 || f.info.codes == CodeType::kPq4 ||
              f.info.codes == CodeType::kRabitq);
    });
  });
}

}  // namespace

bool IdleTailIsDue(const ReadState& state, const CollectionState& owner) {
  const uint64_t rows = state.TailRows();
  if (rows == 0 || (rows < kIdleRows && state.tail_bytes < kIdleBytes)) {
    return false;
  }
  const GroupList& groups = *state.groups;
  if (!ListsTail(groups)) {
    return true;
  }
  // Merged with the newest group at least.
  const uint64_t newest = groups.back()->entry.rows;
  return newest <= kIdleGrowth * rows && IsQuicklyIndexed(newest + rows, owner);
}

bool TailIsFull(const ReadState& state, const DatabaseOptions& options, uint64_t factor) {
  // Fresh rows may take a small part of a memory budget, so that codes keep their room.
  const uint64_t seal_bytes = options.memory_budget_bytes == 0
                                  ? options.seal_bytes
                                  : std::min(options.seal_bytes, options.memory_budget_bytes / 8);
  return state.TailRows() >= factor * options.seal_rows || state.tail_bytes >= factor * seal_bytes;
}

void CollectExpired(const ReadState& state, int64_t now_ms, size_t limit,
                    std::vector<SealedSegment::Expired>* expired) {
  for (const auto& group : *state.groups) {
    for (const auto& segment : group->segments) {
      if (segment != nullptr) {
        segment->CollectExpired(now_ms, limit, expired);
      }
    }
  }
  for (size_t c = 0; c < state.tail->chunks.size(); ++c) {
    const TailChunk& chunk = *state.tail->chunks[c];
    for (size_t row = 0; chunk.min_expiry() <= now_ms && row < state.ChunkRows(c); ++row) {
      const int64_t expiry = chunk.expires_at_ms(row);
      const bool over = expiry != kNeverExpires && expiry <= now_ms;
      if (over && chunk.dead().KilledAt(row) == DeadRows::kAlive && expired->size() < limit) {
        expired->push_back({chunk.ordinal(row), chunk.id(row)});
      }
    }
  }
}

std::optional<BuildRange> PickSeal(const ReadState& state) {
  if (state.TailRows() == 0) {
    return std::nullopt;
  }
  BuildRange range;
  range.first_group = state.groups->size();
  range.end_group = range.first_group;
  range.seals_tail = true;
  range.indexed = false;
  range.lane = BuildBackoff::kSealLane;
  range.reason = "sealing the tail";
  return range;
}

std::optional<BuildRange> PickBackgroundBuild(const ReadState& state, const CollectionState& owner,
                                              bool idle, const LaneWaits& waits) {
  const GroupList& groups = *state.groups;
  if (std::optional<BuildRange> unhealthy = PickUnhealthy(groups, owner, waits)) {
    return unhealthy;
  }
  if (std::optional<BuildRange> merge =
          MergeFrom(groups, FirstOfRun(groups, kBackgroundGrowth), kMinMergeRun, waits)) {
    return merge;
  }
  if (std::optional<BuildRange> merge =
          PickEagerMerge(groups, owner, idle ? kIdleGrowth : kOptimizeGrowth, waits)) {
    return merge;
  }
  return PickUnindexed(groups, owner, kIndexAloneRows, waits);
}

std::optional<BuildRange> PickOptimizeBuild(const ReadState& state, const CollectionState& owner,
                                            uint64_t target) {
  GroupList groups = *state.groups;
  while (!groups.empty() && groups.back()->entry.first_ordinal > target) {
    groups.pop_back();
  }
  const LaneWaits never = [](uint64_t /*lane*/) { return false; };
  const size_t first =
      std::min(FirstOfRun(groups, kOptimizeGrowth), FirstQuickGroup(groups, owner));
  if (std::optional<BuildRange> merge = MergeFrom(groups, first, 2, never)) {
    return merge;
  }
  if (std::optional<BuildRange> unhealthy = PickUnhealthy(groups, owner, never)) {
    return unhealthy;
  }
  return PickUnindexed(groups, owner, 0, never);
}

uint64_t EstimateBuildBytes(const ReadState& state, const CollectionState& owner,
                            const BuildRange& range) {
  uint64_t rows = range.seals_tail ? state.TailRows() : 0;
  uint64_t bytes = range.seals_tail ? state.tail_bytes : 0;
  for (size_t i = range.first_group; i < range.end_group && i < state.groups->size(); ++i) {
    const SealedGroup& group = *(*state.groups)[i];
    rows += group.entry.rows;
    for (const FieldSegment& field : group.entry.fields) {
      // What repair planned has no file yet.
      bytes += std::max(field.identity.size, field.info.rows * field.info.dim * sizeof(float));
    }
  }
  if (range.indexed) {
    for (const VectorField& field : owner.fields()) {
      // Layer 0 of a graph holds 2m links a row, the layers above little more; lists take less.
      bytes += rows * (uint64_t{2} * field.m + 4) * sizeof(uint32_t);
      if (ChooseIndex(field, rows).codes != CodeType::kF32) {
        bytes += rows * (kCodeBytesPerValue * field.dim + kCodeBytesPerRow);
      }
    }
  }
  return bytes;
}

}  // namespace leadline::engine
