#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "catalog.h"
#include "checker.h"
#include "database_handle.h"
#include "group_plan.h"
#include "idempotency_audit.h"
#include "keys.h"
#include "leadline/core/database.h"
#include "leadline/core/no_throw.h"
#include "leadline/storage/store.h"
#include "long_call.h"
#include "read_view.h"
#include "stored_record.h"

namespace leadline {
namespace engine {
namespace {

constexpr size_t kRepairBatchBytes = size_t{4} << 20;
/// Bytes of a location in a batch, without its id.
constexpr size_t kLocationOverheadBytes = 20;

/// What one repair is given and tells.
struct RepairRun {
  std::string path;
  bool accept_loss = false;
  DatabaseOptions options;
  LongCall* call = nullptr;
  RepairReport report;
};

/// Rebuilds everything derived from the records of one collection: locations, counters and groups,
/// whose segments are still to be built then. Works on the store alone.
class CollectionRepair {
 public:
  CollectionRepair(kv::Store* store, CollectionEntry entry, RepairRun* run)
      : store_(store),
        entry_(std::move(entry)),
        options_(run->options),
        accept_loss_(run->accept_loss),
        call_(run->call),
        report_(&run->report) {}

  Status Run() {
    LEADLINE_RETURN_IF_ERROR(ScanRecords());
    LEADLINE_RETURN_IF_ERROR(RemoveOrphanVectors());
    LEADLINE_RETURN_IF_ERROR(WriteLocations());
    LEADLINE_RETURN_IF_ERROR(ReplaceGroups());
    report_->actions.push_back("collection " + entry_.name + ": rebuilt locations, counters and " +
                               "groups from " + std::to_string(newest_.size()) + " records");
    return {};
  }

 private:
  Status ScanRecords() {
    LEADLINE_RETURN_IF_ERROR(call_->Begin("reading records of " + entry_.name, 0));
    const auto it = store_->NewIterator(kv::Table::kRecords, CollectionPrefix(entry_.id));
    for (; it->Valid(); it->Next()) {
      LEADLINE_RETURN_IF_ERROR(call_->Before(it->value().size()));
      const uint64_t ordinal = OrdinalOfKey(it->key());
      highest_ = std::max(highest_, ordinal);
      Result<StoredRecord> record = DecodeRecord(it->value());
      LEADLINE_ASSIGN_OR_RETURN(const bool whole, IsWhole(record, ordinal));
      if (!whole) {
        const std::string which =
            record.ok() ? "id=" + record->id : "id unreadable, ordinal=" + std::to_string(ordinal);
        if (!accept_loss_) {
          return DataLossError(
              "record has lost its vector or content; repair with --accept-loss "
              "drops it: collection=" +
              entry_.name + " " + which);
        }
        report_->lost_data = true;
        report_->actions.push_back("collection " + entry_.name + ": dropped record: " + which);
        LEADLINE_RETURN_IF_ERROR(DropRow(ordinal));
        continue;
      }
      const auto [place, fresh] = newest_.try_emplace(record->id, ordinal);
      if (!fresh) {
        report_->actions.push_back("collection " + entry_.name + ": dropped older version of id " +
                                   record->id);
        // In the batch that drops what the location may name, it finds the newer version.
        batch_.Put(kv::Table::kLocations, LocationKey(entry_.id, record->id),
                   FixedValue64(ordinal));
        LEADLINE_RETURN_IF_ERROR(DropRow(place->second));
        place->second = ordinal;
      }
    }
    LEADLINE_RETURN_IF_ERROR(it->status());
    return Flush();
  }

  Result<bool> IsWhole(const Result<StoredRecord>& record, uint64_t ordinal) {
    if (!record.ok()) {
      return false;
    }
    for (uint32_t f = 0; f < entry_.options.vectors.size(); ++f) {
      if (((record->fields >> f) & 1U) == 0) {
        continue;
      }
      const Result<std::optional<std::string>> read =
          store_->Get(kv::Table::kVectors, VectorKey(entry_.id, f, ordinal));
      if (read.status().code() == StatusCode::kDataLoss) {
        return false;  // the block that held it is damaged
      }
      LEADLINE_RETURN_IF_ERROR(read.status());
      const std::optional<std::string>& vector = *read;
      if (!vector.has_value() || vector->size() != entry_.options.vectors[f].dim * sizeof(float)) {
        return false;
      }
    }
    return true;
  }

  Status DropRow(uint64_t ordinal) {
    batch_.Delete(kv::Table::kRecords, OrdinalKey(entry_.id, ordinal));
    for (uint32_t f = 0; f < entry_.options.vectors.size(); ++f) {
      batch_.Delete(kv::Table::kVectors, VectorKey(entry_.id, f, ordinal));
    }
    return FlushIfLarge();
  }

  Status RemoveOrphanVectors() {
    LEADLINE_RETURN_IF_ERROR(call_->Begin("reading vectors of " + entry_.name, 0));
    for (uint32_t f = 0; f < entry_.options.vectors.size(); ++f) {
      const auto it = store_->NewIterator(kv::Table::kVectors, VectorPrefix(entry_.id, f));
      for (; it->Valid(); it->Next()) {
        LEADLINE_RETURN_IF_ERROR(call_->Before(it->value().size()));
        LEADLINE_ASSIGN_OR_RETURN(
            const std::optional<std::string> record,
            store_->Get(kv::Table::kRecords, OrdinalKey(entry_.id, OrdinalOfKey(it->key()))));
        if (!record.has_value()) {
          batch_.Delete(kv::Table::kVectors, it->key());
        }
        LEADLINE_RETURN_IF_ERROR(FlushIfLarge());
      }
      LEADLINE_RETURN_IF_ERROR(it->status());
    }
    return Flush();
  }

  /// Writes all locations, one stretch of ids a batch. A batch removes what its own stretch held
  /// and no more, so that a repair that ends between two of them hides no record. Old locations are
  /// not read: they may be what is damaged.
  Status WriteLocations() {
    LEADLINE_RETURN_IF_ERROR(call_->Begin("writing locations of " + entry_.name, newest_.size()));
    std::string begin = CollectionPrefix(entry_.id);
    uint64_t written = 0;
    auto next = newest_.cbegin();
    do {
      const auto first = next;
      for (size_t bytes = 0; next != newest_.cend() && bytes < kRepairBatchBytes; ++next) {
        bytes += next->first.size() + kLocationOverheadBytes;
      }
      std::string end = next == newest_.cend() ? CollectionPrefix(entry_.id + 1)
                                               : LocationKey(entry_.id, next->first);
      batch_.DeleteRange(kv::Table::kLocations, begin, end);
      for (auto each = first; each != next; ++each, ++written) {
        batch_.Put(kv::Table::kLocations, LocationKey(entry_.id, each->first),
                   FixedValue64(each->second));
      }
      LEADLINE_RETURN_IF_ERROR(Flush());
      LEADLINE_RETURN_IF_ERROR(call_->At(written));
      begin = std::move(end);
    } while (next != newest_.cend());
    return {};
  }

  /// Puts groups without files in the place of all groups, drops every tombstone, and counts anew.
  Status ReplaceGroups() {
    LEADLINE_ASSIGN_OR_RETURN(const std::string database, ReadMeta(kDatabaseKey));
    LEADLINE_ASSIGN_OR_RETURN(const DatabaseEntry database_entry, DecodeDatabaseEntry(database));
    LEADLINE_ASSIGN_OR_RETURN(const std::string sequence, ReadMeta(kSequenceKey));
    LEADLINE_ASSIGN_OR_RETURN(const std::string next, ReadMeta(kNextIdsKey));
    LEADLINE_ASSIGN_OR_RETURN(NextIds next_ids, DecodeNextIds(next));
    if (sequence.size() != sizeof(uint64_t)) {
      return DataLossError("database entry is incomplete: key=" + std::string(kSequenceKey));
    }
    GroupPlan plan(entry_, database_entry.uuid, options_);
    LEADLINE_RETURN_IF_ERROR(PlanGroups(&plan));
    Counters counters;
    counters.next_ordinal = highest_ + 1;
    counters.live_rows = newest_.size();
    batch_.DeleteRange(kv::Table::kTombstones, CollectionPrefix(entry_.id),
                       CollectionPrefix(entry_.id + 1));
    batch_.DeleteRange(kv::Table::kMeta, GroupsPrefix(entry_.id), GroupsPrefix(entry_.id + 1));
    for (const GroupEntry& group : plan.Take(DecodeFixed64(sequence.data()), &next_ids.segment)) {
      batch_.Put(kv::Table::kMeta, GroupEntryKey(entry_.id, group.first_ordinal),
                 EncodeGroupEntry(group));
      counters.sealed_ordinal = group.last_ordinal;
    }
    batch_.Put(kv::Table::kMeta, CountersKey(entry_.id), EncodeCounters(counters));
    batch_.Put(kv::Table::kMeta, kNextIdsKey, EncodeNextIds(next_ids));
    return Flush();
  }

  Status PlanGroups(GroupPlan* plan) {
    LEADLINE_RETURN_IF_ERROR(call_->Begin("planning groups of " + entry_.name, newest_.size()));
    const auto it = store_->NewIterator(kv::Table::kRecords, CollectionPrefix(entry_.id));
    for (; it->Valid(); it->Next()) {
      LEADLINE_RETURN_IF_ERROR(call_->Before(it->value().size()));
      LEADLINE_ASSIGN_OR_RETURN(const StoredRecord record, DecodeRecord(it->value()));
      plan->Add(OrdinalOfKey(it->key()), record);
    }
    return it->status();
  }

  Result<std::string> ReadMeta(std::string_view key) {
    LEADLINE_ASSIGN_OR_RETURN(std::optional<std::string> value, store_->Get(kv::Table::kMeta, key));
    if (!value.has_value()) {
      return DataLossError("database entry is incomplete: key=" + std::string(key));
    }
    return *std::move(value);
  }

  Status FlushIfLarge() { return batch_.size_bytes() > kRepairBatchBytes ? Flush() : OkStatus(); }

  Status Flush() {
    if (batch_.count() == 0) {
      return {};
    }
    LEADLINE_RETURN_IF_ERROR(store_->Write(batch_, /*sync=*/true));
    batch_.Clear();
    return {};
  }

  kv::Store* const store_;
  const CollectionEntry entry_;
  const DatabaseOptions& options_;
  const bool accept_loss_;
  LongCall* const call_;
  RepairReport* const report_;
  kv::WriteBatch batch_;
  std::map<std::string, uint64_t> newest_;
  uint64_t highest_ = 0;
};

/// Collections to repair, by name; nothing means all of them.
using Wanted = std::optional<std::set<std::string>>;

/// A damaged block makes every key behind it unreadable and stays in its file: what is readable now
/// is left as it is, for a backup or a look by hand.
Status RefuseDamagedTables(kv::Store* store, LongCall* call) {
  LEADLINE_ASSIGN_OR_RETURN(const kv::StoreStats stats, store->Stats());
  LEADLINE_RETURN_IF_ERROR(call->Begin("verifying table files", stats.disk_bytes));
  Status tables = store->VerifyTables([call](uint64_t done_bytes) { return call->At(done_bytes); });
  if (tables.code() == StatusCode::kDataLoss) {
    return tables.WithContext("repair cannot mend this, restore a backup");
  }
  return tables;
}

/// Tells where opening the store cut a log, and what is left.
Status ReportCut(kv::Store* store, RepairReport* report) {
  const std::optional<kv::LogCut> cut = store->log_cut();
  if (!cut.has_value()) {
    return {};
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> sequence,
                            store->Get(kv::Table::kMeta, kSequenceKey));
  const SequenceNumber last = sequence.has_value() && sequence->size() == sizeof(uint64_t)
                                  ? DecodeFixed64(sequence->data())
                                  : 0;
  report->log_loss = LogLoss{cut->path, cut->offset, cut->dropped_bytes, last};
  report->actions.push_back("cut the log: path=" + cut->path +
                            " offset=" + std::to_string(cut->offset) +
                            " dropped_bytes=" + std::to_string(cut->dropped_bytes) +
                            " last_sequence=" + std::to_string(last));
  return {};
}

/// Mends the memory of idempotency keys. Records are none of its business.
Status RepairIdempotency(kv::Store* store, RepairRun* run) {
  LEADLINE_ASSIGN_OR_RETURN(const IdempotencyFindings found,
                            AuditIdempotency(store, nullptr, run->call));
  if (found.problems.empty()) {
    return {};
  }
  kv::WriteBatch batch;
  uint64_t dropped = 0;
  for (const IdempotencyProblem& problem : found.problems) {
    if (problem.mended.has_value()) {
      batch.Put(kv::Table::kMeta, problem.key, *problem.mended);
    } else {
      batch.Delete(kv::Table::kMeta, problem.key);
      ++dropped;
    }
    if (batch.size_bytes() > kRepairBatchBytes) {
      LEADLINE_RETURN_IF_ERROR(store->Write(batch, /*sync=*/true));
      batch.Clear();
    }
  }
  batch.Put(kv::Table::kMeta, kIdempotencyRangeKey, EncodeIdempotencyRange(found.range));
  run->report.actions.push_back(
      "idempotency keys: mended " + std::to_string(found.problems.size() - dropped) +
      " entries and dropped " + std::to_string(dropped) +
      " damaged ones: a write that is sent again under such a key is done again");
  return store->Write(batch, /*sync=*/true);
}

Status RepairStore(RepairRun* run, const Wanted& wanted) {
  kv::StoreOptions options;
  options.fs = run->options.file_system;
  options.sequence_key = std::string(kSequenceKey);
  options.accept_log_loss = run->accept_loss;
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<kv::Store> store,
                            kv::Store::Open(JoinPath(run->path, "store"), options));
  LEADLINE_RETURN_IF_ERROR(ReportCut(store.get(), &run->report));
  LEADLINE_RETURN_IF_ERROR(RefuseDamagedTables(store.get(), run->call));
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
    if (!wanted.has_value() || wanted->count(entry.name) > 0) {
      LEADLINE_RETURN_IF_ERROR(CollectionRepair(store.get(), std::move(entry), run).Run());
    }
  }
  LEADLINE_RETURN_IF_ERROR(RepairIdempotency(store.get(), run));
  LEADLINE_RETURN_IF_ERROR(store->Flush());
  return store->Close();
}

/// Checks an open database. Keeps nothing of it.
Result<CheckFindings> Examine(DatabaseHandle* database, LongCall* call) {
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<DatabaseCore> core, database->Core());
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<const PinnedSnapshot> pinned,
                            PinnedSnapshot::Take(std::move(core)));
  return CheckDatabase(*pinned, call);
}

/// What check finds, or nothing when the database is too damaged to open.
Result<std::optional<CheckFindings>> Diagnose(RepairRun* run) {
  LEADLINE_RETURN_IF_ERROR(run->call->Begin("opening the database", 0));
  const Result<std::shared_ptr<DatabaseHandle>> database =
      DatabaseHandle::Open(run->path, run->options);
  if (!database.ok()) {
    if (database.status().code() != StatusCode::kDataLoss) {
      return database.status();
    }
    run->report.actions.emplace_back("did not open: " + database.status().message());
    return std::optional<CheckFindings>();
  }
  LEADLINE_ASSIGN_OR_RETURN(CheckFindings findings, Examine(database->get(), run->call));
  Status closed = (*database)->Close();
  if (closed.code() == StatusCode::kDataLoss) {
    // A compaction in the background met what no read of the check did.
    findings.store_damaged = true;
    findings.report.problems.push_back({"IO", "store", "did not close: " + closed.message()});
    return std::optional<CheckFindings>(std::move(findings));
  }
  LEADLINE_RETURN_IF_ERROR(closed);
  return std::optional<CheckFindings>(std::move(findings));
}

/// Mends the store as far as the findings ask for it; what is derived from it follows later.
Status MendStore(RepairRun* run, std::optional<CheckFindings> findings) {
  if (!findings.has_value() && run->accept_loss) {
    // Cut the log first: with that alone everything else is often sound.
    run->report.lost_data = true;
    LEADLINE_RETURN_IF_ERROR(RepairStore(run, std::set<std::string>()));
    LEADLINE_ASSIGN_OR_RETURN(findings, Diagnose(run));
  }
  if (!findings.has_value() || findings->store_damaged) {
    return RepairStore(run, std::nullopt);
  }
  const bool sound = findings->collections.empty() && !findings->idempotency_damaged;
  return sound ? OkStatus() : RepairStore(run, findings->collections);
}

/// Rebuilds every damaged segment and everything that was forgotten.
Status RebuildDerived(RepairRun* run) {
  LEADLINE_RETURN_IF_ERROR(run->call->Begin("opening the database", 0));
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                            Database::Open(run->path, run->options));
  LEADLINE_ASSIGN_OR_RETURN(CallOptions rest, run->call->Rest());
  // Reads every segment file, which is how a damaged body shows.
  LEADLINE_RETURN_IF_ERROR(database->Check(rest).status());
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::string> names, database->ListCollections());
  for (const std::string& name : names) {
    LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection,
                              database->OpenCollection(name));
    LEADLINE_ASSIGN_OR_RETURN(const CollectionStats stats, collection->Stats());
    if (stats.damaged_segments > 0) {
      run->report.actions.push_back("collection " + name + ": rebuilt " +
                                    std::to_string(stats.damaged_segments) + " segment files");
    }
    LEADLINE_ASSIGN_OR_RETURN(rest, run->call->Rest());
    LEADLINE_RETURN_IF_ERROR(collection->Optimize(rest));
  }
  return database->Close();
}

/// Tells what is wrong still.
Status Conclude(RepairRun* run) {
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<CheckFindings> findings, Diagnose(run));
  if (!findings.has_value()) {
    return {};
  }
  const std::vector<CheckProblem>& problems = findings->report.problems;
  run->report.sound = problems.empty();
  if (!problems.empty()) {
    const bool unread = !findings->store_damaged && findings->collections.empty() &&
                        std::all_of(problems.begin(), problems.end(), [](const CheckProblem& each) {
                          return each.invariant == "IO";
                        });
    const CheckProblem& first = problems.front();
    run->report.actions.push_back(
        (unread ? "not decided: " : "not repaired: ") + std::to_string(problems.size()) +
        " problems, the first: " + first.invariant + " " + first.where + ": " + first.detail);
    if (findings->store_damaged && run->report.lost_data) {
      // Every record that is left was read whole.
      run->report.actions.emplace_back(
          "the damaged file stays, and no record needs it any more: a backup, restored, is without "
          "it");
    }
  }
  return {};
}

Result<RepairReport> RepairDatabase(const std::string& path, bool accept_loss,
                                    const CallOptions& options, FileSystem* file_system) {
  LEADLINE_ASSIGN_OR_RETURN(LongCall call, LongCall::Start(Clock::System(), options));
  RepairRun run;
  run.path = path;
  run.accept_loss = accept_loss;
  run.options.file_system = file_system != nullptr ? file_system : FileSystem::Posix();
  run.options.background_maintenance = false;
  run.call = &call;
  LEADLINE_ASSIGN_OR_RETURN(std::optional<CheckFindings> findings, Diagnose(&run));
  if (findings.has_value() && findings->report.ok()) {
    run.report.actions.emplace_back("nothing to do: every invariant holds");
    run.report.sound = true;
    return std::move(run.report);
  }
  LEADLINE_RETURN_IF_ERROR(MendStore(&run, std::move(findings)));
  LEADLINE_RETURN_IF_ERROR(RebuildDerived(&run));
  LEADLINE_RETURN_IF_ERROR(Conclude(&run));
  return std::move(run.report);
}

}  // namespace
}  // namespace engine

Result<RepairReport> Database::Repair(const std::string& path, bool accept_loss,
                                      const CallOptions& options, FileSystem* file_system) {
  return NoThrow([&] { return engine::RepairDatabase(path, accept_loss, options, file_system); });
}

}  // namespace leadline
