#include "database_core.h"

#include <pthread.h>
#include <random>
#include <set>
#include <utility>

#include "keys.h"
#include "leadline/core/test_hooks.h"
#include "prepared_batch.h"
#include "stored_record.h"

namespace leadline::engine {
namespace {

std::atomic<uint64_t> fork_generation_counter{0};

segment::Uuid NewUuid() {
  std::random_device device;
  segment::Uuid uuid{};
  for (uint8_t& byte : uuid) {
    byte = static_cast<uint8_t>(device());
  }
  return uuid;
}

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

uint64_t ForkGeneration() {
  static const int kRegistered = ::pthread_atfork(
      nullptr, nullptr, [] { fork_generation_counter.fetch_add(1, std::memory_order_relaxed); });
  (void)kRegistered;
  return fork_generation_counter.load(std::memory_order_relaxed);
}

DatabaseCore::~DatabaseCore() = default;

Status DatabaseCore::CheckUsable() const {
  if (fork_generation != ForkGeneration()) {
    return FailedPreconditionError(
        "database handle crossed a fork; open the database in the child: path=" + path);
  }
  return {};
}

Result<std::shared_ptr<DatabaseCore>> DatabaseCore::Open(const std::string& path,
                                                         const DatabaseOptions& options,
                                                         const DatabaseCore* previous) {
  LEADLINE_RETURN_IF_ERROR(ValidateDatabaseOptions(options));
  std::shared_ptr<DatabaseCore> core(new DatabaseCore());
  core->fork_generation = ForkGeneration();
  core->path = path;
  core->options = options;
  core->fs = options.file_system != nullptr ? options.file_system : FileSystem::Posix();
  core->clock = options.clock != nullptr ? options.clock : Clock::System();
  if (options.search_threads > 1) {
    core->search_executor = NewThreadPool(options.search_threads);
  }
  LEADLINE_RETURN_IF_ERROR(core->OpenStore());
  KillPoint("open:store");
  LEADLINE_RETURN_IF_ERROR(core->LoadOrInitialise());
  LEADLINE_RETURN_IF_ERROR(core->LoadCollections(previous));
  if (!options.read_only) {
    KillPoint("open:loaded");
    LEADLINE_RETURN_IF_ERROR(core->RemoveGarbage());
    KillPoint("open:garbage-removed");
  }
  return core;
}

Status DatabaseCore::OpenStore() {
  // Only an absence is one: after an I/O error nobody knows what is there.
  const Status found = fs->FileExists(path);
  if (!found.ok() && found.code() != StatusCode::kNotFound) {
    return found;
  }
  if (!found.ok()) {
    if (options.read_only || !options.create_if_missing) {
      return NotFoundError("no database here: path=" + path);
    }
    LEADLINE_RETURN_IF_ERROR(CreateDirectories(fs, path));
  }
  if (!options.read_only) {
    const Status store_found = fs->FileExists(store_directory());
    if (!store_found.ok() && store_found.code() != StatusCode::kNotFound) {
      return store_found;
    }
    if (!store_found.ok() && !options.create_if_missing) {
      return NotFoundError("no database here: path=" + path);
    }
    Status made = fs->CreateDirectory(segment_directory());
    if (!made.ok() && made.code() != StatusCode::kAlreadyExists) {
      return made;
    }
    for (const std::string& directory : {path, DirectoryName(path)}) {
      LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Directory> handle,
                                fs->OpenDirectory(directory));
      LEADLINE_RETURN_IF_ERROR(handle->Sync());
    }
  }
  kv::StoreOptions store_options;
  store_options.fs = fs;
  store_options.clock = clock;
  store_options.create_if_missing = options.create_if_missing;
  store_options.read_only = options.read_only;
  store_options.sequence_key = std::string(kSequenceKey);
  store_options.min_free_bytes = options.min_free_bytes;
  LEADLINE_ASSIGN_OR_RETURN(store, kv::Store::Open(store_directory(), store_options));
  return {};
}

Status DatabaseCore::LoadOrInitialise() {
  MutexLock lock(&commit_mutex);
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> entry,
                            store->Get(kv::Table::kMeta, kDatabaseKey));
  if (!entry.has_value()) {
    if (options.read_only) {
      return NotFoundError("no database here: path=" + path);
    }
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
  return {};
}

Status DatabaseCore::LoadCollections(const DatabaseCore* previous) {
  const std::unique_ptr<kv::Iterator> it = store->NewIterator(kv::Table::kMeta, kCatalogPrefix);
  for (; it->Valid(); it->Next()) {
    LEADLINE_ASSIGN_OR_RETURN(CollectionEntry entry, DecodeCollectionEntry(it->value()));
    LEADLINE_RETURN_IF_ERROR(LoadCollection(std::move(entry), previous));
  }
  return it->status();
}

Status DatabaseCore::LoadCollection(CollectionEntry entry, const DatabaseCore* previous) {
  auto collection = std::make_shared<CollectionState>(std::move(entry));
  MutexLock lock(&commit_mutex);
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> counters,
                            store->Get(kv::Table::kMeta, CountersKey(collection->id())));
  if (!counters.has_value()) {
    return DataLossError("collection without counters: name=" + collection->entry().name);
  }
  LEADLINE_ASSIGN_OR_RETURN(collection->counters, DecodeCounters(*counters));
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<const GroupList> groups,
                            LoadGroups(*collection, previous));
  collection->PublishGroups(std::move(groups), 0, sequence);
  LEADLINE_RETURN_IF_ERROR(ApplyTombstones(collection.get()));
  LEADLINE_RETURN_IF_ERROR(LoadTail(collection.get()));
  collection->Publish(sequence);
  AddCollection(std::move(collection));
  return {};
}

Result<std::shared_ptr<const GroupList>> DatabaseCore::LoadGroups(const CollectionState& collection,
                                                                  const DatabaseCore* previous) {
  std::map<uint64_t, std::shared_ptr<SealedSegment>> known;
  if (previous != nullptr) {
    auto* old_core = const_cast<DatabaseCore*>(previous);
    Result<std::shared_ptr<CollectionState>> old =
        old_core->FindCollection(collection.entry().name);
    if (old.ok()) {
      const std::shared_ptr<const ReadState> state = (*old)->Load();
      for (const auto& group : *state->groups) {
        for (const auto& segment : group->segments) {
          if (segment != nullptr && !segment->damaged()) {
            known.emplace(segment->entry().info.segment_id, segment);
          }
        }
      }
    }
  }
  auto groups = std::make_shared<GroupList>();
  const std::unique_ptr<kv::Iterator> it =
      store->NewIterator(kv::Table::kMeta, GroupsPrefix(collection.id()));
  for (; it->Valid(); it->Next()) {
    auto group = std::make_shared<SealedGroup>();
    LEADLINE_ASSIGN_OR_RETURN(group->entry, DecodeGroupEntry(it->value()));
    for (const FieldSegment& field : group->entry.fields) {
      if (field.info.rows == 0) {
        group->segments.push_back(nullptr);
        continue;
      }
      const auto reuse = known.find(field.info.segment_id);
      group->segments.push_back(reuse != known.end()
                                    ? reuse->second->WithFreshDeletes()
                                    : SealedSegment::Open(fs, segment_directory(), field));
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
    LEADLINE_ASSIGN_OR_RETURN(const StoredRecord record, DecodeRecord(it->value()));
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::vector<float>> vectors,
                              LoadSearchVectors(store.get(), *collection, ordinal, record.fields));
    collection->AppendRow(ordinal, record, vectors);
  }
  return it->status();
}

Status DatabaseCore::RemoveGarbage() {
  std::set<std::string> named;
  for (const std::shared_ptr<CollectionState>& collection : Collections()) {
    const std::shared_ptr<const ReadState> state = collection->Load();
    for (const auto& group : *state->groups) {
      for (const FieldSegment& field : group->entry.fields) {
        named.insert(SegmentFileName(field.info.segment_id));
      }
    }
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::string> present,
                            fs->ListDirectory(segment_directory()));
  for (const std::string& name : present) {
    if (named.count(name) == 0) {
      LEADLINE_RETURN_IF_ERROR(fs->DeleteFile(JoinPath(segment_directory(), name)));
    }
  }
  return {};
}

Result<std::shared_ptr<CollectionState>> DatabaseCore::FindCollection(const std::string& name) {
  ReaderLock lock(&collections_mutex_);
  const auto found = collections_.find(name);
  if (found == collections_.end()) {
    return NotFoundError("no such collection: name=" + name);
  }
  return found->second;
}

std::vector<std::shared_ptr<CollectionState>> DatabaseCore::Collections() {
  ReaderLock lock(&collections_mutex_);
  std::vector<std::shared_ptr<CollectionState>> all;
  for (const auto& [name, collection] : collections_) {
    all.push_back(collection);
  }
  return all;
}

void DatabaseCore::AddCollection(std::shared_ptr<CollectionState> collection) {
  WriterLock lock(&collections_mutex_);
  const std::string name = collection->entry().name;
  collections_[name] = std::move(collection);
}

void DatabaseCore::RemoveCollection(const std::string& name) {
  WriterLock lock(&collections_mutex_);
  collections_.erase(name);
}

}  // namespace leadline::engine
