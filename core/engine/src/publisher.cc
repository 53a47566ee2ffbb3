#include "publisher.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "keys.h"
#include "leadline/core/no_throw.h"
#include "leadline/core/test_hooks.h"

namespace leadline::engine {
namespace {

/// Manifest batch that puts `entry` in the place of the `replaced` groups.
kv::WriteBatch ManifestBatch(const CollectionState& collection, const GroupList& replaced,
                             const GroupEntry& entry, const KillLog& kills,
                             const Counters& counters, const NextIds& next_ids) {
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
  for (const auto& [ordinal, sequence] : kills.kills) {
    batch.Put(kv::Table::kTombstones, OrdinalKey(collection.id(), ordinal), FixedValue64(sequence));
  }
  batch.Put(kv::Table::kMeta, CountersKey(collection.id()), EncodeCounters(counters));
  batch.Put(kv::Table::kMeta, kNextIdsKey, EncodeNextIds(next_ids));
  return batch;
}

std::shared_ptr<SealedGroup> OpenGroup(DatabaseCore* core, const GroupEntry& entry) {
  auto group = std::make_shared<SealedGroup>();
  group->entry = entry;
  const OrdinalRange range{entry.first_ordinal, entry.last_ordinal};
  for (const FieldSegment& field : entry.fields) {
    group->segments.push_back(
        field.info.rows == 0
            ? nullptr
            : SealedSegment::Open(core->fs, core->segment_directory(), field, range));
  }
  return group;
}

void DeleteFilesWhenUnused(const SealedGroup& group) {
  for (const auto& segment : group.segments) {
    if (segment != nullptr) {
      segment->DeleteFileWhenUnused();
    }
  }
}

/// Reads and verifies every file of a fresh group.
Status Verify(const SealedGroup& group) {
  for (const auto& segment : group.segments) {
    if (segment == nullptr) {
      continue;
    }
    LEADLINE_ASSIGN_OR_RETURN(const SegmentContents* contents, segment->VerifiedContents({}));
    if (contents == nullptr) {
      return segment->damage();
    }
  }
  return {};
}

void ReapplyKills(const KillLog& log, const SealedGroup& group) {
  for (const auto& segment : group.segments) {
    for (const auto& [ordinal, sequence] : log.kills) {
      if (segment != nullptr) {
        segment->Kill(ordinal, sequence);
      }
    }
  }
}

/// The present groups with those of the build's range replaced by `fresh` (null: by nothing).
std::shared_ptr<GroupList> WithFresh(const GroupList& present, const KillLog& range,
                                     const std::shared_ptr<const SealedGroup>& fresh,
                                     GroupList* replaced) {
  auto groups = std::make_shared<GroupList>();
  bool placed = fresh == nullptr;
  for (const auto& group : present) {
    if (!placed && group->entry.first_ordinal >= range.first) {
      groups->push_back(fresh);
      placed = true;
    }
    (range.Covers(group->entry.first_ordinal) ? replaced : groups.get())->push_back(group);
  }
  if (!placed) {
    groups->push_back(fresh);
  }
  return groups;
}

/// The synced write that makes the build count. `*maybe_written` is false when it cannot have
/// reached the log.
Status WriteManifest(DatabaseCore* core, const kv::WriteBatch& batch, bool merge,
                     bool* maybe_written) {
  LEADLINE_RETURN_IF_ERROR(core->store->Health());
  KillPoint(merge ? "merge:before-manifest" : "publish:before-manifest");
  *maybe_written = true;
  Status written = core->store->Write(batch, /*sync=*/true);
  // A refusal (watermark, closed) leaves the store healthy; a write that failed latches it.
  *maybe_written = written.ok() || !core->store->Health().ok();
  if (written.ok()) {
    KillPoint(merge ? "merge:after-manifest" : "publish:after-manifest");
  }
  return written;
}

Status PublishLocked(DatabaseCore* core, CollectionState* collection, const PendingBuild& pending,
                     const GroupEntry& entry, const std::shared_ptr<SealedGroup>& fresh,
                     bool* maybe_written) LEADLINE_REQUIRES(core->commit_mutex) {
  LEADLINE_RETURN_IF_ERROR(core->broken);
  if (collection->dropped()) {
    return NotFoundError("collection was dropped: name=" + collection->entry().name);
  }
  GroupList replaced;
  std::shared_ptr<GroupList> groups =
      WithFresh(*collection->Load()->groups, *pending.kills, fresh, &replaced);
  Counters counters = collection->counters;
  counters.sealed_ordinal = std::max(counters.sealed_ordinal, entry.last_ordinal);
  if (fresh != nullptr) {
    ReapplyKills(*pending.kills, *fresh);
  }
  CollectionState::GroupChange change =
      collection->PrepareGroups(std::move(groups), counters.sealed_ordinal);
  LEADLINE_RETURN_IF_ERROR(WriteManifest(
      core, ManifestBatch(*collection, replaced, entry, *pending.kills, counters, core->next_ids),
      replaced.size() > 1, maybe_written));
  const MemoryFollows follows(core);
  collection->counters = counters;
  collection->PublishGroups(std::move(change), core->sequence);
  KillPoint("publish:swapped");
  for (const auto& group : replaced) {
    DeleteFilesWhenUnused(*group);
  }
  KillPoint("publish:retired");
  return {};
}

}  // namespace

Result<std::optional<PendingBuild>> StartBuild(DatabaseCore* core, CollectionState* collection,
                                               const PickBuild& pick) {
  MutexLock lock(&core->commit_mutex);
  LEADLINE_RETURN_IF_ERROR(core->broken);
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
  pending.request.first_ordinal = range->seals_tail
                                      ? collection->counters.sealed_ordinal + 1
                                      : groups[range->first_group]->entry.first_ordinal;
  pending.request.last_ordinal = range->seals_tail
                                     ? collection->LastTailOrdinal()
                                     : groups[range->end_group - 1]->entry.last_ordinal;
  pending.request.build_sequence = core->sequence;
  pending.request.snapshot = core->store->NewSnapshot();
  if (pending.request.snapshot == nullptr) {
    return FailedPreconditionError("store gives no snapshot: path=" + core->path);
  }
  if (range->seals_tail) {
    pending.request.tail = state;
  }
  pending.request.indexed = range->indexed;
  pending.request.wider = range->wider;
  pending.request.first_segment_id = core->next_ids.segment;
  pending.kills = std::make_shared<KillLog>();
  pending.kills->first = pending.request.first_ordinal;
  pending.kills->last = pending.request.last_ordinal;
  collection->kill_logs.push_back(pending.kills);
  // Nothing below can fail: whoever gets an error has nothing to end.
  core->next_ids.segment += collection->fields().size();
  if (range->seals_tail) {
    collection->FreezeTail();
  }
  KillPoint(range->seals_tail ? "seal:frozen" : "merge:planned");
  return std::optional<PendingBuild>(std::move(pending));
}

Status PublishBuild(DatabaseCore* core, CollectionState* collection, const PendingBuild& pending,
                    const GroupEntry& entry) {
  bool maybe_written = false;
  Status published = NoThrow([&]() -> Status {
    const std::shared_ptr<SealedGroup> fresh = entry.rows > 0 ? OpenGroup(core, entry) : nullptr;
    // Verified before the lock is taken: that reads the whole file.
    LEADLINE_RETURN_IF_ERROR(fresh == nullptr ? OkStatus() : Verify(*fresh));
    MutexLock lock(&core->commit_mutex);
    return PublishLocked(core, collection, pending, entry, fresh, &maybe_written);
  });
  if (!published.ok() && !maybe_written) {
    RemoveBuiltFiles(core, *collection, pending.request);
  }
  return published;
}

void EndBuild(DatabaseCore* core, CollectionState* collection, const PendingBuild& pending,
              bool published) {
  MutexLock lock(&core->commit_mutex);
  std::erase(collection->kill_logs, pending.kills);
  if (pending.range.seals_tail && !published) {
    collection->ThawTail();
  }
}

}  // namespace leadline::engine
