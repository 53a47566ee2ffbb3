#include "database_core.h"

#include <algorithm>
#include <random>
#include <set>
#include <utility>

#include "keys.h"
#include "leadline/core/test_hooks.h"
#include "memory_keeper.h"
#include "partial_copy.h"
#include "prepared_batch.h"
#include "stored_record.h"

namespace leadline::engine {
namespace {

segment::Uuid NewUuid() {
  std::random_device device;
  segment::Uuid uuid{};
  for (uint8_t& byte : uuid) {
    byte = static_cast<uint8_t>(device());
  }
  return uuid;
}

/// How far the wall clock may be ahead of the monotonic one.
constexpr int64_t kClockLeapMs = 3'600'000;

Result<std::vector<std::vector<float>>> LoadSearchVectors(kv::Store* store,
                                                          const CollectionState& collection,
                                                          uint64_t ordinal, uint32_t fields) {
  std::vector<std::vector<float>> vectors(collection.fields().size());
  for (uint32_t f = 0; f < vectors.size(); ++f) {
    if (((fields >> f) & 1U) == 0) {
      continue;
    }
    const VectorField& field = collection.fields()[f];
    LEADLINE_ASSIGN_OR_RETURN(
        const std::optional<std::string> bytes,
        store->Get(kv::Table::kVectors, VectorKey(collection.id(), f, ordinal)));
    if (!bytes.has_value()) {
      return DataLossError("record without its vector: collection=" + collection.entry().name +
                           " ordinal=" + std::to_string(ordinal) + " field=" + field.name);
    }
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<float> values, DecodeVector(*bytes, field.dim));
    vectors[f] = SearchForm(field, values);
  }
  return vectors;
}

}  // namespace

DatabaseCore::~DatabaseCore() = default;

MemoryFollows::~MemoryFollows() LEADLINE_NO_THREAD_SAFETY_ANALYSIS {
  if (std::uncaught_exceptions() > exceptions_) {
    core_->broken = std::move(core_->fell_behind);
  }
}

Result<std::shared_ptr<DatabaseCore>> DatabaseCore::Open(const std::string& path,
                                                         const DatabaseOptions& options,
                                                         const DatabaseCore* previous) {
  LEADLINE_RETURN_IF_ERROR(ValidateDatabaseOptions(options));
  std::shared_ptr<DatabaseCore> core(new DatabaseCore());
  core->path = path;
  core->options = options;
  core->fs = options.file_system != nullptr ? options.file_system : FileSystem::Posix();
  core->clock = options.clock != nullptr ? options.clock : Clock::System();
  core->started_ms_ = core->clock->UnixMillis();
  core->started_nanos_ = core->clock->MonotonicNanos();
  if (options.search_threads > 1) {
    core->search_executor = NewThreadPool(options.search_threads);
  }
  {
    MutexLock lock(&core->commit_mutex);
    core->fell_behind = FailedPreconditionError(
        "written, but memory could not follow; reopen the database: path=" + path);
    core->fell_behind.IgnoreError();
  }
  LEADLINE_RETURN_IF_ERROR(core->OpenStore());
  KillPoint("open:store");
  LEADLINE_RETURN_IF_ERROR(core->LoadOrInitialise());
  LEADLINE_RETURN_IF_ERROR(core->LoadCollections(previous));
  if (!options.read_only) {
    KillPoint("open:loaded");
    LEADLINE_RETURN_IF_ERROR(core->CheckSegmentVersions());
    core->RemoveGarbage();
    KillPoint("open:garbage-removed");
  }
  return core;
}

int64_t DatabaseCore::BelievedUnixMillis() const {
  const int64_t running_ms = (clock->MonotonicNanos() - started_nanos_) / 1'000'000;
  return std::min(clock->UnixMillis(), started_ms_ + running_ms + kClockLeapMs);
}

uint64_t DatabaseCore::room_for_sections() const {
  return RoomForSections(options.memory_budget_bytes, /*heap=*/0);
}

Status DatabaseCore::OpenStore() {
  // It holds a store that opens, with a part of the records.
  LEADLINE_RETURN_IF_ERROR(RefuseUnfinishedCopy(fs, path));
  // Only an absence is one: after an I/O error nobody knows what is there.
  Status found = fs->FileExists(store_directory());
  if (!found.ok() && found.code() != StatusCode::kNotFound) {
    return found;
  }
  if (!found.ok() && (options.read_only || !options.create_if_missing)) {
    return NotFoundError("no database here: path=" + path);
  }
  kv::StoreOptions store_options;
  store_options.fs = fs;
  store_options.clock = clock;
  store_options.create_if_missing = options.create_if_missing;
  store_options.read_only = options.read_only;
  store_options.sequence_key = std::string(kSequenceKey);
  store_options.min_free_bytes = options.min_free_bytes;
  // Takes the lock: until then nothing is made, changed or waited for. Makes missing directories
  // durably.
  LEADLINE_ASSIGN_OR_RETURN(store, kv::Store::Open(store_directory(), store_options));
  return options.read_only ? OkStatus() : CreateDirectoriesDurably(fs, segment_directory());
}

Status DatabaseCore::LoadOrInitialise() {
  MutexLock lock(&commit_mutex);
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> entry,
                            store->Get(kv::Table::kMeta, kDatabaseKey));
  if (!entry.has_value()) {
    if (options.read_only) {
      return NotFoundError("no database here: path=" + path);
    }
    // An earlier attempt may have died between making these and syncing them.
    LEADLINE_RETURN_IF_ERROR(SyncDirectory(fs, path));
    LEADLINE_RETURN_IF_ERROR(SyncDirectory(fs, DirectoryName(path)));
    uuid = NewUuid();
    kv::WriteBatch batch;
    batch.Put(kv::Table::kMeta, kDatabaseKey, EncodeDatabaseEntry({kDatabaseFormatVersion, uuid}));
    batch.Put(kv::Table::kMeta, kSequenceKey, FixedValue64(0));
    batch.Put(kv::Table::kMeta, kNextIdsKey, EncodeNextIds(next_ids));
    return store->Write(batch, /*sync=*/true);
  }
  LEADLINE_ASSIGN_OR_RETURN(const DatabaseEntry database, DecodeDatabaseEntry(*entry));
  uuid = database.uuid;
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> stored_sequence,
                            store->Get(kv::Table::kMeta, kSequenceKey));
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> stored_next,
                            store->Get(kv::Table::kMeta, kNextIdsKey));
  if (!stored_sequence.has_value() || stored_sequence->size() != sizeof(uint64_t) ||
      !stored_next.has_value()) {
    return DataLossError("database entry is incomplete: path=" + path);
  }
  sequence = DecodeFixed64(stored_sequence->data());
  LEADLINE_ASSIGN_OR_RETURN(next_ids, DecodeNextIds(*stored_next));
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> range,
                            store->Get(kv::Table::kMeta, kIdempotencyRangeKey));
  if (range.has_value()) {
    LEADLINE_ASSIGN_OR_RETURN(idempotency, DecodeIdempotencyRange(*range));
  }
  return {};
}

Status DatabaseCore::LoadCollections(const DatabaseCore* previous) {
  const std::unique_ptr<kv::Iterator> it = store->NewIterator(kv::Table::kMeta, kCatalogPrefix);
  for (; it->Valid(); it->Next()) {
    LEADLINE_ASSIGN_OR_RETURN(const CollectionEntry entry, DecodeCollectionEntry(it->value()));
    Status loaded = LoadCollection(entry, previous);
    if (loaded.code() == StatusCode::kDataLoss) {
      WriterLock lock(&collections_mutex_);
      unreadable_.insert(
          {entry.name,
           {entry.id, "collection " + entry.name + " is damaged: " + loaded.message()}});
      continue;
    }
    LEADLINE_RETURN_IF_ERROR(loaded);
  }
  return it->status();
}

Status DatabaseCore::LoadCollection(CollectionEntry entry, const DatabaseCore* previous) {
  auto collection = std::make_shared<CollectionState>(std::move(entry), room_for_sections());
  collection->NoteGrowth(clock->MonotonicNanos());
  MutexLock lock(&commit_mutex);
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> counters,
                            store->Get(kv::Table::kMeta, CountersKey(collection->id())));
  if (!counters.has_value()) {
    return DataLossError("collection without counters: name=" + collection->entry().name);
  }
  LEADLINE_ASSIGN_OR_RETURN(collection->counters, DecodeCounters(*counters));
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<const GroupList> groups,
                            LoadGroups(*collection, previous));
  collection->PublishGroups(collection->PrepareGroups(std::move(groups), 0), sequence);
  LEADLINE_RETURN_IF_ERROR(ApplyTombstones(collection.get()));
  Status loaded = LoadTail(collection.get());
  if (!loaded.ok()) {
    return loaded.WithContext("rows that no segment holds yet");
  }
  collection->Publish(sequence);
  AddCollection(SlotFor(std::move(collection)));
  return {};
}

namespace {

using KnownSegments = std::map<uint64_t, std::shared_ptr<SealedSegment>>;

/// Sound segments of the collection in `previous`, by number. None when that is another database:
/// its numbers mean other files.
KnownSegments SegmentsOf(const DatabaseCore* previous, const DatabaseCore& core,
                         const CollectionState& collection) {
  KnownSegments known;
  if (previous == nullptr || previous->uuid != core.uuid) {
    return known;
  }
  auto* old_core = const_cast<DatabaseCore*>(previous);
  Result<std::shared_ptr<CollectionState>> old = old_core->FindCollection(collection.entry().name);
  if (old.ok()) {
    const std::shared_ptr<const ReadState> state = (*old)->Load();
    for (const auto& group : *state->groups) {
      for (const auto& segment : group->segments) {
        if (segment != nullptr && !segment->unreadable()) {
          known.emplace(segment->entry().info.segment_id, segment);
        }
      }
    }
  }
  return known;
}

bool SameFile(const FieldSegment& a, const FieldSegment& b) {
  return a.info.database == b.info.database && a.identity.size == b.identity.size &&
         a.identity.hash == b.identity.hash;
}

/// kDataLoss when `entry` cannot be a group of `collection`.
Status CheckGroup(const CollectionState& collection, const GroupEntry& entry) {
  bool fits = entry.fields.size() == collection.fields().size() &&
              entry.last_ordinal < collection.counters.next_ordinal;
  for (size_t f = 0; fits && f < entry.fields.size(); ++f) {
    const segment::SegmentInfo& info = entry.fields[f].info;
    fits = info.collection_id == collection.id() && info.field_id == f &&
           info.dim == collection.fields()[f].dim && info.metric == collection.fields()[f].metric;
  }
  return fits ? OkStatus()
              : DataLossError("group entry does not fit its collection: collection=" +
                              collection.entry().name +
                              " first_ordinal=" + std::to_string(entry.first_ordinal));
}

}  // namespace

Result<std::shared_ptr<const GroupList>> DatabaseCore::LoadGroups(const CollectionState& collection,
                                                                  const DatabaseCore* previous) {
  const KnownSegments known = SegmentsOf(previous, *this, collection);
  auto groups = std::make_shared<GroupList>();
  const std::unique_ptr<kv::Iterator> it =
      store->NewIterator(kv::Table::kMeta, GroupsPrefix(collection.id()));
  for (; it->Valid(); it->Next()) {
    auto group = std::make_shared<SealedGroup>();
    LEADLINE_ASSIGN_OR_RETURN(group->entry, DecodeGroupEntry(it->value()));
    LEADLINE_RETURN_IF_ERROR(CheckGroup(collection, group->entry));
    const OrdinalRange range{group->entry.first_ordinal, group->entry.last_ordinal};
    for (const FieldSegment& field : group->entry.fields) {
      if (field.info.rows == 0) {
        group->segments.push_back(nullptr);
        continue;
      }
      const auto reuse = known.find(field.info.segment_id);
      group->segments.push_back(reuse != known.end() && SameFile(reuse->second->entry(), field)
                                    ? reuse->second->WithFreshDeletes()
                                    : SealedSegment::Open(fs, segment_directory(), field, range));
    }
    groups->push_back(std::move(group));
  }
  LEADLINE_RETURN_IF_ERROR(it->status());
  return std::shared_ptr<const GroupList>(std::move(groups));
}

Status DatabaseCore::ApplyTombstones(CollectionState* collection) {
  const std::unique_ptr<kv::Iterator> it =
      store->NewIterator(kv::Table::kTombstones, CollectionPrefix(collection->id()));
  for (; it->Valid(); it->Next()) {
    if (it->value().size() != sizeof(uint64_t)) {
      return DataLossError("bad tombstone: collection=" + collection->entry().name);
    }
    collection->KillRow(OrdinalOfKey(it->key()), DecodeFixed64(it->value().data()));
  }
  return it->status();
}

Status DatabaseCore::LoadTail(CollectionState* collection) {
  uint64_t first = collection->counters.sealed_ordinal + 1;
  if (DefectPlanted(Defect::kReplayOffByOne)) {
    ++first;
  }
  const std::unique_ptr<kv::Iterator> it =
      store->NewIterator(kv::Table::kRecords, CollectionPrefix(collection->id()));
  for (it->Seek(OrdinalKey(collection->id(), first)); it->Valid(); it->Next()) {
    const uint64_t ordinal = OrdinalOfKey(it->key());
    LEADLINE_ASSIGN_OR_RETURN(StoredRecord record, DecodeRecord(it->value()));
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::vector<float>> vectors,
                              LoadSearchVectors(store.get(), *collection, ordinal, record.fields));
    collection->AppendRow(ordinal, std::move(record), vectors);
  }
  return it->status();
}

Status DatabaseCore::CheckSegmentVersions() {
  for (const std::shared_ptr<CollectionState>& collection : Collections()) {
    const std::shared_ptr<const ReadState> state = collection->Load();
    for (const auto& group : *state->groups) {
      for (const auto& segment : group->segments) {
        if (segment != nullptr && segment->unreadable()) {
          Status problem = segment->damage();
          if (problem.code() == StatusCode::kUnimplemented) {
            return problem.WithContext(
                "database holds segments of a newer release; open it "
                "read-only or with that release");
          }
        }
      }
    }
  }
  return {};
}

void DatabaseCore::RemoveGarbage() {
  if (!UnreadableCollections().empty()) {
    return;  // which files are theirs, nobody knows
  }
  std::set<std::string> named;
  for (const std::shared_ptr<CollectionState>& collection : Collections()) {
    const std::shared_ptr<const ReadState> state = collection->Load();
    for (const auto& group : *state->groups) {
      for (const FieldSegment& field : group->entry.fields) {
        named.insert(SegmentFileName(field.info.segment_id));
      }
    }
  }
  // What is not ours (lost+found, .nfs*) stays, and so does what cannot be deleted: garbage costs
  // space, never an open.
  const Result<std::vector<std::string>> present = fs->ListDirectory(segment_directory());
  for (const std::string& name : present.ok() ? *present : std::vector<std::string>()) {
    const bool ours = name.ends_with(".seg") || name.ends_with(".seg.tmp");
    if (ours && named.count(name) == 0) {
      fs->DeleteFile(JoinPath(segment_directory(), name)).IgnoreError();
    }
  }
}

Result<std::shared_ptr<CollectionState>> DatabaseCore::FindCollection(const std::string& name) {
  ReaderLock lock(&collections_mutex_);
  const auto found = collections_.find(name);
  if (found != collections_.end()) {
    return found->second;
  }
  const auto damaged = unreadable_.find(name);
  return damaged != unreadable_.end() ? DataLossError(damaged->second.reason)
                                      : NotFoundError("no such collection: name=" + name);
}

std::vector<std::shared_ptr<CollectionState>> DatabaseCore::Collections() {
  ReaderLock lock(&collections_mutex_);
  std::vector<std::shared_ptr<CollectionState>> all;
  for (const auto& [name, collection] : collections_) {
    all.push_back(collection);
  }
  return all;
}

DatabaseCore::UnreadableMap DatabaseCore::UnreadableCollections() {
  ReaderLock lock(&collections_mutex_);
  return unreadable_;
}

DatabaseCore::CollectionSlot DatabaseCore::SlotFor(std::shared_ptr<CollectionState> collection) {
  CollectionMap one;
  const auto place = one.emplace(collection->entry().name, std::move(collection)).first;
  return one.extract(place);
}

void DatabaseCore::AddCollection(CollectionSlot slot) {
  WriterLock lock(&collections_mutex_);
  collections_.insert(std::move(slot));
}

void DatabaseCore::RemoveCollection(const std::string& name) {
  WriterLock lock(&collections_mutex_);
  collections_.erase(name);
  unreadable_.erase(name);
}

}  // namespace leadline::engine
