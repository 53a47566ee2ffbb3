#include <map>
#include <memory>
#include <utility>

#include "catalog.h"
#include "checker.h"
#include "keys.h"
#include "leadline/core/database.h"
#include "leadline/storage/store.h"
#include "prepared_batch.h"
#include "stored_record.h"

namespace leadline {
namespace engine {
namespace {

constexpr size_t kRepairBatchBytes = size_t{4} << 20;

/// Rebuilds everything derived from the records of one collection: locations, counters and, by
/// forgetting the published groups, the segments. Works on the store alone.
class CollectionRepair {
 public:
  CollectionRepair(kv::Store* store, CollectionEntry entry, bool accept_loss, RepairReport* report)
      : store_(store), entry_(std::move(entry)), accept_loss_(accept_loss), report_(report) {}

  Status Run() {
    LEADLINE_RETURN_IF_ERROR(ScanRecords());
    LEADLINE_RETURN_IF_ERROR(RemoveOrphanVectors());
    kv::WriteBatch forget;
    const std::string begin = CollectionPrefix(entry_.id);
    const std::string end = CollectionPrefix(entry_.id + 1);
    forget.DeleteRange(kv::Table::kLocations, begin, end);
    forget.DeleteRange(kv::Table::kTombstones, begin, end);
    forget.DeleteRange(kv::Table::kMeta, GroupsPrefix(entry_.id), GroupsPrefix(entry_.id + 1));
    for (const auto& [id, ordinal] : newest_) {
      forget.Put(kv::Table::kLocations, LocationKey(entry_.id, id), FixedValue64(ordinal));
    }
    Counters counters;
    counters.next_ordinal = highest_ + 1;
    counters.live_rows = newest_.size();
    forget.Put(kv::Table::kMeta, CountersKey(entry_.id), EncodeCounters(counters));
    LEADLINE_RETURN_IF_ERROR(store_->Write(forget, /*sync=*/true));
    report_->actions.push_back("collection " + entry_.name + ": rebuilt locations, counters and " +
                               "index manifest from " + std::to_string(newest_.size()) +
                               " records");
    return {};
  }

 private:
  Status ScanRecords() {
    const auto it = store_->NewIterator(kv::Table::kRecords, CollectionPrefix(entry_.id));
    kv::WriteBatch drop;
    for (; it->Valid(); it->Next()) {
      const uint64_t ordinal = OrdinalOfKey(it->key());
      highest_ = std::max(highest_, ordinal);
      Result<StoredRecord> record = DecodeRecord(it->value());
      LEADLINE_ASSIGN_OR_RETURN(const bool whole, IsWhole(record, ordinal));
      if (!whole) {
        if (!accept_loss_) {
          return DataLossError(
              "record has lost its vector or content; repair with --accept-loss "
              "drops it: collection=" +
              entry_.name + " ordinal=" + std::to_string(ordinal));
        }
        report_->lost_data = true;
        report_->actions.push_back("collection " + entry_.name + ": dropped record " +
                                   std::to_string(ordinal));
        DropRow(ordinal, &drop);
        continue;
      }
      const auto [place, fresh] = newest_.try_emplace(record->id, ordinal);
      if (!fresh) {
        report_->actions.push_back("collection " + entry_.name + ": dropped older version of id " +
                                   record->id);
        DropRow(place->second, &drop);
        place->second = ordinal;
      }
    }
    LEADLINE_RETURN_IF_ERROR(it->status());
    return drop.count() == 0 ? OkStatus() : store_->Write(drop, /*sync=*/true);
  }

  Result<bool> IsWhole(const Result<StoredRecord>& record, uint64_t ordinal) {
    if (!record.ok()) {
      return false;
    }
    for (uint32_t f = 0; f < entry_.options.vectors.size(); ++f) {
      if (((record->fields >> f) & 1U) == 0) {
        continue;
      }
      LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> vector,
                                store_->Get(kv::Table::kVectors, VectorKey(entry_.id, f, ordinal)));
      if (!vector.has_value() || vector->size() != entry_.options.vectors[f].dim * sizeof(float)) {
        return false;
      }
    }
    return true;
  }

  void DropRow(uint64_t ordinal, kv::WriteBatch* batch) const {
    batch->Delete(kv::Table::kRecords, OrdinalKey(entry_.id, ordinal));
    for (uint32_t f = 0; f < entry_.options.vectors.size(); ++f) {
      batch->Delete(kv::Table::kVectors, VectorKey(entry_.id, f, ordinal));
    }
  }

  Status RemoveOrphanVectors() {
    kv::WriteBatch drop;
    for (uint32_t f = 0; f < entry_.options.vectors.size(); ++f) {
      const auto it = store_->NewIterator(kv::Table::kVectors, VectorPrefix(entry_.id, f));
      for (; it->Valid(); it->Next()) {
        LEADLINE_ASSIGN_OR_RETURN(
            const std::optional<std::string> record,
            store_->Get(kv::Table::kRecords, OrdinalKey(entry_.id, OrdinalOfKey(it->key()))));
        if (!record.has_value()) {
          drop.Delete(kv::Table::kVectors, it->key());
        }
        if (drop.size_bytes() > kRepairBatchBytes) {
          LEADLINE_RETURN_IF_ERROR(store_->Write(drop, /*sync=*/true));
          drop.Clear();
        }
      }
      LEADLINE_RETURN_IF_ERROR(it->status());
    }
    return drop.count() == 0 ? OkStatus() : store_->Write(drop, /*sync=*/true);
  }

  kv::Store* const store_;
  const CollectionEntry entry_;
  const bool accept_loss_;
  RepairReport* const report_;
  std::map<std::string, uint64_t> newest_;
  uint64_t highest_ = 0;
};

Status RepairStore(const std::string& path, bool accept_loss, FileSystem* fs,
                   RepairReport* report) {
  kv::StoreOptions options;
  options.fs = fs;
  options.sequence_key = std::string(kSequenceKey);
  options.accept_log_loss = accept_loss;
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<kv::Store> store,
                            kv::Store::Open(JoinPath(path, "store"), options));
  std::vector<CollectionEntry> entries;
  {
    const auto it = store->NewIterator(kv::Table::kMeta, kCatalogPrefix);
    for (; it->Valid(); it->Next()) {
      LEADLINE_ASSIGN_OR_RETURN(CollectionEntry entry, DecodeCollectionEntry(it->value()));
      entries.push_back(std::move(entry));
    }
    LEADLINE_RETURN_IF_ERROR(it->status());
  }
  for (CollectionEntry& entry : entries) {
    LEADLINE_RETURN_IF_ERROR(
        CollectionRepair(store.get(), std::move(entry), accept_loss, report).Run());
  }
  LEADLINE_RETURN_IF_ERROR(store->Flush());
  return store->Close();
}

/// True when the database opens and every invariant holds; such a one is left as it is.
Result<bool> IsHealthy(const std::string& path, const DatabaseOptions& options, bool accept_loss,
                       RepairReport* report) {
  const Result<std::unique_ptr<Database>> database = Database::Open(path, options);
  if (!database.ok()) {
    if (database.status().code() != StatusCode::kDataLoss) {
      return database.status();
    }
    report->lost_data = accept_loss;
    report->actions.emplace_back("store did not open: " + database.status().message());
    return false;
  }
  LEADLINE_ASSIGN_OR_RETURN(const CheckReport check, (*database)->Check());
  LEADLINE_RETURN_IF_ERROR((*database)->Close());
  return check.ok();
}

}  // namespace
}  // namespace engine

Result<RepairReport> Database::Repair(const std::string& path, bool accept_loss,
                                      FileSystem* file_system) {
  RepairReport report;
  FileSystem* fs = file_system != nullptr ? file_system : FileSystem::Posix();
  DatabaseOptions options;
  options.file_system = fs;
  options.background_maintenance = false;
  LEADLINE_ASSIGN_OR_RETURN(const bool healthy,
                            engine::IsHealthy(path, options, accept_loss, &report));
  if (healthy) {
    report.actions.emplace_back("nothing to do: every invariant holds");
    return report;
  }
  LEADLINE_RETURN_IF_ERROR(engine::RepairStore(path, accept_loss, fs, &report));
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                            Database::Open(path, options));
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::string> names, database->ListCollections());
  for (const std::string& name : names) {
    LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection,
                              database->OpenCollection(name));
    LEADLINE_RETURN_IF_ERROR(collection->Optimize());
  }
  LEADLINE_RETURN_IF_ERROR(database->Close());
  return report;
}

}  // namespace leadline
