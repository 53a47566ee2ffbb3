#include "database_impl.h"

#include <algorithm>
#include <utility>

#include "backup.h"
#include "checker.h"
#include "collection_changes.h"
#include "collection_impl.h"
#include "keys.h"
#include "leadline/core/database.h"
#include "leadline/core/no_throw.h"
#include "leadline/core/test_hooks.h"
#include "leadline/text/embedder.h"
#include "memory_keeper.h"
#include "no_throw_handles.h"
#include "prepared_batch.h"
#include "read_view.h"

namespace leadline {
namespace engine {
namespace {

class DatabaseImpl final : public Database {
 public:
  explicit DatabaseImpl(std::shared_ptr<DatabaseHandle> handle) : handle_(std::move(handle)) {}

  Result<std::shared_ptr<Collection>> CreateCollection(const std::string& name,
                                                       const CollectionOptions& options) override;
  Result<std::shared_ptr<Collection>> AlterCollection(const std::string& name,
                                                      const CollectionChanges& changes) override;
  Result<std::shared_ptr<Collection>> OpenCollection(const std::string& name) override;
  Status DropCollection(const std::string& name) override;
  Result<std::vector<std::string>> ListCollections() override;
  Result<std::shared_ptr<const Snapshot>> TakeSnapshot() override;

  Status Refresh() override { return handle_->Refresh(); }

  Status Flush() override;
  Result<DatabaseStats> Stats() override;
  Result<CopyReport> Backup(const std::string& to, const CallOptions& options) override;
  Result<CheckReport> Check(const CallOptions& options) override;

  Status Close() override { return handle_->Close(); }

 private:
  const std::shared_ptr<DatabaseHandle> handle_;
};

/// Fills what the embedder decides: dimension and version.
Status ApplyEmbedder(CollectionEntry* entry) {
  if (entry->options.embedder.empty()) {
    return {};
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<const Embedder> embedder,
                            OpenEmbedder(entry->options.embedder));
  if (entry->options.vectors.empty()) {
    entry->options.vectors.emplace_back();
  }
  VectorField& field = entry->options.vectors[0];
  const auto dim = static_cast<uint32_t>(embedder->dim());
  if (field.dim != 0 && field.dim != dim) {
    return InvalidFieldError("dimension differs from the embedder's", "dim",
                             std::to_string(field.dim), std::to_string(dim));
  }
  field.dim = dim;
  entry->embedder_version = embedder->version();
  return {};
}

Result<std::shared_ptr<Collection>> DatabaseImpl::CreateCollection(
    const std::string& name, const CollectionOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<DatabaseCore> core, handle_->WritableCore());
  LEADLINE_RETURN_IF_ERROR(ValidateCollectionName(name));
  CollectionEntry entry;
  entry.name = name;
  entry.options = options;
  LEADLINE_RETURN_IF_ERROR(ApplyEmbedder(&entry));
  LEADLINE_RETURN_IF_ERROR(ValidateCollectionOptions(entry.options));
  MutexLock lock(&core->commit_mutex);
  LEADLINE_RETURN_IF_ERROR(core->broken);
  Status absent = core->FindCollection(name).status();
  if (absent.code() != StatusCode::kNotFound) {
    return absent.ok() ? AlreadyExistsError("collection exists: name=" + name) : absent;
  }
  NextIds next = core->next_ids;
  entry.id = next.collection++;
  kv::WriteBatch batch;
  batch.Put(kv::Table::kMeta, CatalogKey(name), EncodeCollectionEntry(entry));
  batch.Put(kv::Table::kMeta, CountersKey(entry.id), EncodeCounters({}));
  batch.Put(kv::Table::kMeta, kNextIdsKey, EncodeNextIds(next));
  // All the memory first: a collection that is in the store is also here.
  auto state = std::make_shared<CollectionState>(std::move(entry), core->room_for_sections());
  state->Publish(core->sequence);
  std::shared_ptr<Collection> collection =
      WithoutThrowing(std::make_shared<CollectionImpl>(handle_, state->entry()));
  DatabaseCore::CollectionSlot slot = DatabaseCore::SlotFor(std::move(state));
  KillPoint("create:before-log");
  LEADLINE_RETURN_IF_ERROR(core->store->Write(batch, /*sync=*/true));
  const MemoryFollows follows(core.get());
  KillPoint("create:after-log");
  core->next_ids = next;
  core->AddCollection(std::move(slot));
  return collection;
}

Result<std::shared_ptr<Collection>> DatabaseImpl::AlterCollection(
    const std::string& name, const CollectionChanges& changes) {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<DatabaseCore> core, handle_->WritableCore());
  MutexLock lock(&core->commit_mutex);
  LEADLINE_RETURN_IF_ERROR(core->broken);
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<CollectionState> state,
                            core->FindCollection(name));
  auto entry = std::make_unique<CollectionEntry>(state->entry());
  LEADLINE_RETURN_IF_ERROR(ApplyChanges(changes, &entry->options));
  kv::WriteBatch batch;
  batch.Put(kv::Table::kMeta, CatalogKey(name), EncodeCollectionEntry(*entry));
  // All the memory first, as in CreateCollection.
  state->ReserveEntry();
  std::shared_ptr<Collection> collection =
      WithoutThrowing(std::make_shared<CollectionImpl>(handle_, *entry));
  KillPoint("alter:before-log");
  LEADLINE_RETURN_IF_ERROR(core->store->Write(batch, /*sync=*/true));
  const MemoryFollows follows(core.get());
  KillPoint("alter:after-log");
  state->ChangeEntry(std::move(entry));
  return collection;
}

Result<std::shared_ptr<Collection>> DatabaseImpl::OpenCollection(const std::string& name) {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<DatabaseCore> core, handle_->Core());
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<CollectionState> state,
                            core->FindCollection(name));
  return WithoutThrowing(std::make_shared<CollectionImpl>(handle_, state->entry()));
}

/// The files go when no search uses them any more.
void RetireFiles(const CollectionState& collection) {
  const std::shared_ptr<const ReadState> last = collection.Load();
  for (const auto& group : *last->groups) {
    for (const auto& segment : group->segments) {
      if (segment != nullptr) {
        segment->DeleteFileWhenUnused();
      }
    }
  }
}

Status DatabaseImpl::DropCollection(const std::string& name) {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<DatabaseCore> core, handle_->WritableCore());
  MutexLock lock(&core->commit_mutex);
  LEADLINE_RETURN_IF_ERROR(core->broken);
  const DatabaseCore::UnreadableMap unreadable = core->UnreadableCollections();
  const auto damaged = unreadable.find(name);
  std::shared_ptr<CollectionState> state;
  uint32_t id = 0;
  if (damaged != unreadable.end()) {
    id = damaged->second.id;
  } else {
    LEADLINE_ASSIGN_OR_RETURN(state, core->FindCollection(name));
    id = state->id();
  }
  kv::WriteBatch batch;
  const std::string begin = CollectionPrefix(id);
  const std::string end = CollectionPrefix(id + 1);
  for (const kv::Table table :
       {kv::Table::kRecords, kv::Table::kVectors, kv::Table::kLocations, kv::Table::kTombstones}) {
    batch.DeleteRange(table, begin, end);
  }
  batch.DeleteRange(kv::Table::kMeta, GroupsPrefix(id), GroupsPrefix(id + 1));
  // Their turns go when they come.
  batch.DeleteRange(kv::Table::kMeta, IdempotencyPrefix(id), IdempotencyPrefix(id + 1));
  batch.Delete(kv::Table::kMeta, CountersKey(id));
  batch.Delete(kv::Table::kMeta, CatalogKey(name));
  KillPoint("drop:before-log");
  // Dropping makes room, so it may use what is kept free.
  LEADLINE_RETURN_IF_ERROR(core->store->Write(batch, /*sync=*/true, kv::Admission::kShrink));
  const MemoryFollows follows(core.get());
  KillPoint("drop:after-log");
  core->RemoveCollection(name);
  if (state != nullptr) {
    state->MarkDropped();
    RetireFiles(*state);
  }
  KillPoint("drop:retired");
  return {};
}

Result<std::vector<std::string>> DatabaseImpl::ListCollections() {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<DatabaseCore> core, handle_->Core());
  std::vector<std::string> names;
  for (const std::shared_ptr<CollectionState>& state : core->Collections()) {
    names.push_back(state->entry().name);
  }
  for (const auto& [name, damaged] : core->UnreadableCollections()) {
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::shared_ptr<const Snapshot>> DatabaseImpl::TakeSnapshot() {
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<DatabaseCore> core, handle_->Core());
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<const PinnedSnapshot> pinned,
                            PinnedSnapshot::Take(std::move(core)));
  return std::shared_ptr<const Snapshot>(std::move(pinned));
}

Status DatabaseImpl::Flush() {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<DatabaseCore> core, handle_->WritableCore());
  return core->store->SyncLog();
}

MemoryStats MemoryStatsOf(DatabaseCore* core) {
  MemoryUse use = MeasureMemory(core);
  MemoryStats stats;
  stats.budget_bytes = core->options.memory_budget_bytes;
  stats.heap_bytes = use.heap;
  stats.kept_bytes = use.kept;
  stats.locked_bytes = use.locked;
  stats.unkept_bytes = use.left;
  stats.lock_error = std::move(use.problem);
  return stats;
}

Result<DatabaseStats> DatabaseImpl::Stats() {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<DatabaseCore> core, handle_->Core());
  DatabaseStats stats;
  LEADLINE_ASSIGN_OR_RETURN(const kv::StoreStats store, core->store->Stats());
  stats.store_bytes = store.disk_bytes;
  stats.log_syncs = store.log_syncs;
  stats.memory = MemoryStatsOf(core.get());
  const Status health = core->store->Health();
  if (!health.ok()) {
    stats.degraded = true;
    stats.store_error = health.ToString();
  }
  {
    MutexLock lock(&core->commit_mutex);
    stats.sequence = core->sequence;
    if (!core->broken.ok() && health.ok()) {
      stats.degraded = true;
      stats.store_error = core->broken.ToString();
    }
  }
  for (const auto& [name, damaged] : core->UnreadableCollections()) {
    ++stats.collections;
    stats.degraded = true;
    stats.damaged_collections.push_back(name);
  }
  for (const std::shared_ptr<CollectionState>& state : core->Collections()) {
    ++stats.collections;
    const std::shared_ptr<const ReadState> published = state->Load();
    for (const auto& group : *published->groups) {
      for (const auto& segment : group->segments) {
        if (segment != nullptr) {
          stats.segment_bytes += segment->entry().identity.size;
          const SectionBytes resident = segment->ResidentSections();
          stats.memory.resident_index_bytes += resident.codes + resident.links;
          stats.memory.resident_vector_bytes += resident.vectors;
          stats.degraded = stats.degraded || segment->unreadable();
        }
      }
    }
  }
  return stats;
}

Result<CopyReport> DatabaseImpl::Backup(const std::string& to, const CallOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<DatabaseCore> core, handle_->Core());
  LEADLINE_ASSIGN_OR_RETURN(LongCall call, LongCall::Start(core->clock, options));
  return BackupDatabase(core, to, &call);
}

Result<CheckReport> DatabaseImpl::Check(const CallOptions& options) {
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<DatabaseCore> core, handle_->Core());
  LEADLINE_ASSIGN_OR_RETURN(LongCall call, LongCall::Start(core->clock, options));
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<const PinnedSnapshot> pinned,
                            PinnedSnapshot::Take(std::move(core)));
  LEADLINE_ASSIGN_OR_RETURN(CheckFindings findings, CheckDatabase(*pinned, &call));
  return std::move(findings.report);
}

}  // namespace

std::unique_ptr<Database> DatabaseOver(std::shared_ptr<DatabaseHandle> handle) {
  return WithoutThrowing(std::make_unique<DatabaseImpl>(std::move(handle)));
}

}  // namespace engine

Result<std::unique_ptr<Database>> Database::Open(const std::string& path,
                                                 const DatabaseOptions& options) {
  return NoThrow([&]() -> Result<std::unique_ptr<Database>> {
    LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<engine::DatabaseHandle> handle,
                              engine::DatabaseHandle::Open(path, options));
    return engine::DatabaseOver(std::move(handle));
  });
}

Result<CopyReport> Database::Restore(const std::string& from, const std::string& to,
                                     const CallOptions& options, FileSystem* file_system) {
  return NoThrow([&] { return engine::RestoreDatabase(from, to, options, file_system); });
}

}  // namespace leadline
