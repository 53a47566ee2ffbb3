#include "publisher.h"

#include <algorithm>
#include <utility>

#include "keys.h"
#include "leadline/core/test_hooks.h"

namespace leadline::engine {
namespace {

/// Manifest batch that puts `entry` in the place of the `replaced` groups.
kv::WriteBatch ManifestBatch(const CollectionState& collection, const GroupList& replaced,
                             const GroupEntry& entry, const Counters& counters,
                             const NextIds& next_ids) {
  kv::WriteBatch batch;
  for (const auto& group : replaced) {
    batch.Delete(kv::Table::kMeta, GroupEntryKey(collection.id(), group->entry.first_ordinal));
  }
  if (entry.rows > 0) {
    batch.Put(kv::Table::kMeta, GroupEntryKey(collection.id(), entry.first_ordinal),
              EncodeGroupEntry(entry));
  }
  // Rows killed before the build's snapshot are not in the files: their tombstones have done their
  // work. Those killed since are still needed.
  batch.DeleteRange(kv::Table::kTombstones, OrdinalKey(collection.id(), entry.first_ordinal),
                    OrdinalKey(collection.id(), entry.last_ordinal + 1));
  for (const auto& [ordinal, sequence] : collection.kills_during_build) {
    if (ordinal >= entry.first_ordinal && ordinal <= entry.last_ordinal) {
      batch.Put(kv::Table::kTombstones, OrdinalKey(collection.id(), ordinal),
                FixedValue64(sequence));
    }
  }
  batch.Put(kv::Table::kMeta, CountersKey(collection.id()), EncodeCounters(counters));
  batch.Put(kv::Table::kMeta, kNextIdsKey, EncodeNextIds(next_ids));
  return batch;
}

std::shared_ptr<SealedGroup> OpenGroup(DatabaseCore* core, const GroupEntry& entry) {
  auto group = std::make_shared<SealedGroup>();
  group->entry = entry;
  for (const FieldSegment& field : entry.fields) {
    group->segments.push_back(
        field.info.rows == 0 ? nullptr
                             : SealedSegment::Open(core->fs, core->segment_directory(), field));
  }
  return group;
}

void ReapplyKills(const CollectionState& collection, SealedGroup* group) {
  for (const auto& [ordinal, sequence] : collection.kills_during_build) {
    if (!group->Covers(ordinal)) {
      continue;
    }
    for (const auto& segment : group->segments) {
      if (segment == nullptr || segment->Contents() == nullptr) {
        continue;
      }
      const size_t row = segment->FindRow(ordinal);
      if (row < segment->rows()) {
        segment->dead().Kill(row, sequence);
      }
    }
  }
}

}  // namespace

Result<std::optional<PendingBuild>> StartBuild(
    DatabaseCore* core, CollectionState* collection,
    const std::function<std::optional<BuildRange>(const ReadState&)>& pick) {
  MutexLock lock(&core->commit_mutex);
  if (collection->dropped()) {
    return NotFoundError("collection was dropped: name=" + collection->entry().name);
  }
  const std::shared_ptr<const ReadState> state = collection->Load();
  const std::optional<BuildRange> range = pick(*state);
  if (!range.has_value()) {
    return std::optional<PendingBuild>();
  }
  PendingBuild pending;
  pending.range = *range;
  const GroupList& groups = *state->groups;
  pending.request.first_ordinal = range->first_group < groups.size()
                                      ? groups[range->first_group]->entry.first_ordinal
                                      : collection->counters.sealed_ordinal + 1;
  pending.request.last_ordinal = range->includes_tail
                                     ? collection->FreezeTail()
                                     : groups[range->end_group - 1]->entry.last_ordinal;
  KillPoint(range->includes_tail ? "seal:frozen" : "merge:planned");
  pending.request.build_sequence = core->sequence;
  pending.request.snapshot = core->store->NewSnapshot();
  pending.request.indexed = range->indexed;
  pending.request.first_segment_id = core->next_ids.segment;
  core->next_ids.segment += collection->fields().size();
  collection->kills_during_build.clear();
  collection->build_running = true;
  return std::optional<PendingBuild>(std::move(pending));
}

Status PublishBuild(DatabaseCore* core, CollectionState* collection, const PendingBuild& pending,
                    const GroupEntry& entry) {
  // Opened before the lock is taken: verification reads the whole file.
  std::shared_ptr<SealedGroup> fresh = entry.rows > 0 ? OpenGroup(core, entry) : nullptr;
  if (fresh != nullptr) {
    for (const auto& segment : fresh->segments) {
      if (segment != nullptr && segment->Contents() == nullptr) {
        return segment->damage();
      }
    }
  }
  MutexLock lock(&core->commit_mutex);
  if (collection->dropped()) {
    return NotFoundError("collection was dropped: name=" + collection->entry().name);
  }
  const std::shared_ptr<const ReadState> state = collection->Load();
  auto groups = std::make_shared<GroupList>();
  GroupList replaced;
  for (size_t i = 0; i < state->groups->size(); ++i) {
    if (i == pending.range.first_group && fresh != nullptr) {
      groups->push_back(fresh);
    }
    const bool inside = i >= pending.range.first_group && i < pending.range.end_group;
    (inside ? replaced : *groups).push_back((*state->groups)[i]);
  }
  if (pending.range.first_group >= state->groups->size() && fresh != nullptr) {
    groups->push_back(fresh);
  }
  Counters counters = collection->counters;
  counters.sealed_ordinal = std::max(counters.sealed_ordinal, entry.last_ordinal);
  KillPoint(replaced.size() > 1 ? "merge:before-manifest" : "publish:before-manifest");
  LEADLINE_RETURN_IF_ERROR(
      core->store->Write(ManifestBatch(*collection, replaced, entry, counters, core->next_ids),
                         /*sync=*/true));
  KillPoint(replaced.size() > 1 ? "merge:after-manifest" : "publish:after-manifest");
  collection->counters = counters;
  if (fresh != nullptr) {
    ReapplyKills(*collection, fresh.get());
  }
  collection->build_running = false;
  collection->kills_during_build.clear();
  collection->PublishGroups(std::move(groups), counters.sealed_ordinal, core->sequence);
  KillPoint("publish:swapped");
  for (const auto& group : replaced) {
    for (const auto& segment : group->segments) {
      if (segment != nullptr) {
        segment->DeleteFileWhenUnused();
      }
    }
  }
  KillPoint("publish:retired");
  return {};
}

void AbandonBuild(DatabaseCore* core, CollectionState* collection) {
  MutexLock lock(&core->commit_mutex);
  collection->build_running = false;
  collection->kills_during_build.clear();
}

}  // namespace leadline::engine
