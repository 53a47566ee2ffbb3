#include "compaction_policy.h"

#include <algorithm>

#include "index_registry.h"

namespace leadline::engine {
namespace {

/// Fewer groups than this are left alone by background merges.
constexpr size_t kMinMergeRun = 4;
/// An older group joins a merge when it has at most this many times the rows gathered so far, so
/// that every row is indexed a logarithmic number of times.
constexpr uint64_t kBackgroundGrowth = 2;
constexpr uint64_t kOptimizeGrowth = 8;
/// A flat group this large deserves its index without waiting for company.
constexpr uint64_t kIndexAloneRows = 20'000;

bool IsDamaged(const SealedGroup& group) {
  return std::any_of(group.segments.begin(), group.segments.end(),
                     [](const auto& segment) { return segment != nullptr && segment->damaged(); });
}

bool HasManyDead(const SealedGroup& group) {
  return std::any_of(group.segments.begin(), group.segments.end(), [](const auto& segment) {
    return segment != nullptr && static_cast<double>(segment->dead().count()) >
                                     kDeadShareLimit * static_cast<double>(segment->rows());
  });
}

/// True when some field lacks the index its collection asks for.
bool LacksIndex(const SealedGroup& group, const CollectionState& owner) {
  for (size_t f = 0; f < group.segments.size(); ++f) {
    const auto& segment = group.segments[f];
    if (segment != nullptr &&
        segment->entry().info.kind !=
            ResolveIndexKind(owner.fields()[f].index, segment->entry().info.rows)) {
      return true;
    }
  }
  return false;
}

std::optional<BuildRange> PickUnhealthy(const GroupList& groups) {
  for (size_t i = 0; i < groups.size(); ++i) {
    if (IsDamaged(*groups[i])) {
      return BuildRange{i, i + 1, false, true, "rebuilding a damaged segment"};
    }
    if (HasManyDead(*groups[i])) {
      return BuildRange{i, i + 1, false, true, "rebuilding a segment with many dead rows"};
    }
  }
  return std::nullopt;
}

/// First group of the run that ends with the newest one and grows by `growth`.
size_t MergeRunStart(const GroupList& groups, uint64_t tail_rows, uint64_t growth) {
  uint64_t gathered = tail_rows;
  size_t first = groups.size();
  while (first > 0 && (gathered == 0 || groups[first - 1]->entry.rows <= growth * gathered)) {
    --first;
    gathered += std::max<uint64_t>(groups[first]->entry.rows, 1);
  }
  return first;
}

}  // namespace

std::optional<BuildRange> PickBackgroundBuild(const ReadState& state, const CollectionState& owner,
                                              uint64_t seal_rows, uint64_t seal_bytes) {
  const GroupList& groups = *state.groups;
  uint64_t row_bytes = 0;
  for (const VectorField& field : owner.fields()) {
    row_bytes += field.dim * sizeof(float);
  }
  const uint64_t tail_rows = state.TailRows();
  if (tail_rows >= seal_rows || tail_rows * row_bytes >= seal_bytes) {
    return BuildRange{groups.size(), groups.size(), true, false, "sealing the tail"};
  }
  if (std::optional<BuildRange> unhealthy = PickUnhealthy(groups)) {
    return unhealthy;
  }
  const size_t first = MergeRunStart(groups, 0, kBackgroundGrowth);
  if (groups.size() - first >= kMinMergeRun) {
    return BuildRange{first, groups.size(), false, true, "merging small segments"};
  }
  for (size_t i = 0; i < groups.size(); ++i) {
    if (groups[i]->entry.rows >= kIndexAloneRows && LacksIndex(*groups[i], owner)) {
      return BuildRange{i, i + 1, false, true, "indexing a segment"};
    }
  }
  return std::nullopt;
}

std::optional<BuildRange> PickOptimizeBuild(const ReadState& state, const CollectionState& owner) {
  const GroupList& groups = *state.groups;
  const uint64_t tail_rows = state.TailRows();
  const size_t first = MergeRunStart(groups, tail_rows, kOptimizeGrowth);
  const size_t run = groups.size() - first;
  if (tail_rows > 0) {
    return BuildRange{first, groups.size(), true, true, "indexing the tail"};
  }
  if (run >= 2) {
    return BuildRange{first, groups.size(), false, true, "merging segments"};
  }
  if (std::optional<BuildRange> unhealthy = PickUnhealthy(groups)) {
    return unhealthy;
  }
  for (size_t i = 0; i < groups.size(); ++i) {
    if (LacksIndex(*groups[i], owner)) {
      return BuildRange{i, i + 1, false, true, "indexing a segment"};
    }
  }
  return std::nullopt;
}

}  // namespace leadline::engine
