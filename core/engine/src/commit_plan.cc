#include "commit_plan.h"

#include <utility>

#include "keys.h"
#include "leadline/core/payload_json.h"
#include "leadline/core/test_hooks.h"

namespace leadline::engine {

Counters& CommitPlan::CountersOf(CollectionState* collection) {
  return counters_.try_emplace(collection, collection->counters).first->second;
}

Result<uint64_t> CommitPlan::Locate(const Overlay& own, const std::string& location_key) {
  for (const Overlay* overlay : {&own, static_cast<const Overlay*>(&overlay_)}) {
    const auto found = overlay->find(location_key);
    if (found != overlay->end()) {
      return found->second;
    }
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> stored,
                            store_->Get(kv::Table::kLocations, location_key));
  if (!stored.has_value()) {
    return uint64_t{0};
  }
  if (stored->size() != sizeof(uint64_t)) {
    return DataLossError("bad location entry: bytes=" + std::to_string(stored->size()));
  }
  return DecodeFixed64(stored->data());
}

Result<bool> CommitPlan::HasExpired(const Created& own, const CollectionState& collection,
                                    uint64_t ordinal) {
  const auto over = [&](int64_t expiry) { return expiry != kNeverExpires && expiry <= now_ms_; };
  const std::string key = OrdinalKey(collection.id(), ordinal);
  for (const Created* created : {&own, static_cast<const Created*>(&created_)}) {
    const auto found = created->find(key);
    if (found != created->end()) {
      return over(found->second->record.expires_at_ms);
    }
  }
  if (!collection.Load()->MayHoldExpired(now_ms_)) {
    return false;  // the usual case costs no look-up
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                            store_->Get(kv::Table::kRecords, key));
  if (!bytes.has_value()) {
    return false;
  }
  LEADLINE_ASSIGN_OR_RETURN(const StoredRecord record, DecodeRecord(*bytes));
  return over(record.expires_at_ms);
}

Status CommitPlan::ResolvePatch(const Created& own, const CollectionState& collection,
                                uint64_t ordinal, PreparedOp* op) {
  const std::string key = OrdinalKey(collection.id(), ordinal);
  const PreparedOp* base = nullptr;
  PreparedOp stored;
  for (const Created* created : {&own, static_cast<const Created*>(&created_)}) {
    const auto found = created->find(key);
    if (base == nullptr && found != created->end()) {
      base = found->second;
    }
  }
  if (base == nullptr) {
    LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                              store_->Get(kv::Table::kRecords, key));
    if (!bytes.has_value()) {
      return DataLossError("location without its record: id=" + op->record.id);
    }
    LEADLINE_ASSIGN_OR_RETURN(stored.record, DecodeRecord(*bytes));
    stored.stored.resize(collection.fields().size());
    stored.search.resize(collection.fields().size());
    for (uint32_t f = 0; f < collection.fields().size(); ++f) {
      if (((stored.record.fields >> f) & 1U) == 0) {
        continue;
      }
      LEADLINE_ASSIGN_OR_RETURN(
          const std::optional<std::string> vector,
          store_->Get(kv::Table::kVectors, VectorKey(collection.id(), f, ordinal)));
      if (!vector.has_value()) {
        return DataLossError("record without its vector: id=" + op->record.id);
      }
      LEADLINE_ASSIGN_OR_RETURN(stored.stored[f],
                                DecodeVector(*vector, collection.fields()[f].dim));
      stored.search[f] = SearchForm(collection.fields()[f], stored.stored[f]);
    }
    base = &stored;
  }
  LEADLINE_ASSIGN_OR_RETURN(std::string merged,
                            MergePatch(base->record.payload, op->record.payload));
  LEADLINE_RETURN_IF_ERROR(ValidatePayload(merged));
  op->record.payload = std::move(merged);
  op->record.fields = base->record.fields;
  op->record.expires_at_ms = base->record.expires_at_ms;
  op->stored = base->stored;
  op->search = base->search;
  return {};
}

Status CommitPlan::Add(CollectionState* collection, std::vector<PreparedOp>* ops,
                       WriteResult* result) {
  Batch batch{collection, sequence_ + 1, {}};
  Counters counters = CountersOf(collection);
  size_t resolved_bytes = 0;
  Overlay own;
  Created created;
  WriteResult counts;
  for (PreparedOp& op : *ops) {
    const std::string location = LocationKey(collection->id(), op.record.id);
    LEADLINE_ASSIGN_OR_RETURN(const uint64_t old, Locate(own, location));
    RowChange change{old, 0, &op};
    if (op.kind == WriteBatch::Kind::kDelete) {
      if (old == 0 || (op.expected_ordinal != 0 && op.expected_ordinal != old)) {
        continue;
      }
      LEADLINE_ASSIGN_OR_RETURN(const bool expired, HasExpired(created, *collection, old));
      --counters.live_rows;
      counts.deleted += expired ? 0 : 1;
      own[location] = 0;
    } else {
      if (op.kind == WriteBatch::Kind::kPatch) {
        const bool absent = old == 0;
        LEADLINE_ASSIGN_OR_RETURN(const bool expired, absent
                                                          ? Result<bool>(true)
                                                          : HasExpired(created, *collection, old));
        if (absent || expired) {
          return NotFoundError("cannot patch a record that does not exist: id=" + op.record.id);
        }
        LEADLINE_RETURN_IF_ERROR(ResolvePatch(created, *collection, old, &op));
        resolved_bytes += BytesOf(op);
        LEADLINE_RETURN_IF_ERROR(CheckBatchBytes("batch bytes of patched records", resolved_bytes));
        ++counts.patched;
      } else {
        counters.live_rows += old == 0 ? 1 : 0;
        ++counts.upserted;
      }
      op.record.sequence = batch.sequence;
      change.created = counters.next_ordinal++;
      own[location] = change.created;
      created[OrdinalKey(collection->id(), change.created)] = &op;
    }
    batch.changes.push_back(change);
  }
  counts.sequence = ++sequence_;
  *result = counts;
  Emit(batch);
  CountersOf(collection) = counters;
  own.merge(overlay_);
  overlay_ = std::move(own);
  created_.merge(created);
  batches_.push_back(std::move(batch));
  return {};
}

void CommitPlan::Emit(const Batch& batch) {
  const uint32_t id = batch.collection->id();
  const auto fields = static_cast<uint32_t>(batch.collection->fields().size());
  for (const RowChange& change : batch.changes) {
    if (change.killed != 0) {
      batch_.Delete(kv::Table::kRecords, OrdinalKey(id, change.killed));
      for (uint32_t f = 0; f < fields; ++f) {
        batch_.Delete(kv::Table::kVectors, VectorKey(id, f, change.killed));
      }
      // A row that no segment holds, and that no running build may have read, needs no tombstone.
      if (batch.collection->NeedsTombstone(change.killed) &&
          !DefectPlanted(Defect::kDropTombstone)) {
        batch_.Put(kv::Table::kTombstones, OrdinalKey(id, change.killed),
                   FixedValue64(batch.sequence));
      }
    }
    const std::string location = LocationKey(id, change.op->record.id);
    if (change.created == 0) {
      batch_.Delete(kv::Table::kLocations, location);
      continue;
    }
    batch_.Put(kv::Table::kRecords, OrdinalKey(id, change.created),
               EncodeRecord(change.op->record));
    for (uint32_t f = 0; f < fields; ++f) {
      const std::vector<float>& vector = change.op->stored[f];
      if (!vector.empty()) {
        batch_.Put(kv::Table::kVectors, VectorKey(id, f, change.created), VectorBytes(vector));
      }
    }
    batch_.Put(kv::Table::kLocations, location, FixedValue64(change.created));
  }
}

void CommitPlan::Finish() {
  for (const auto& [collection, counters] : counters_) {
    batch_.Put(kv::Table::kMeta, CountersKey(collection->id()), EncodeCounters(counters));
  }
  batch_.Put(kv::Table::kMeta, kSequenceKey, FixedValue64(sequence_));
}

void CommitPlan::Reserve() {
  struct Need {
    size_t rows = 0;
    std::vector<uint64_t> killed;
  };

  std::unordered_map<CollectionState*, Need> needs;
  for (const Batch& batch : batches_) {
    Need& need = needs[batch.collection];
    for (const RowChange& change : batch.changes) {
      need.rows += change.created != 0 ? 1 : 0;
      if (change.killed != 0) {
        need.killed.push_back(change.killed);
      }
    }
  }
  for (auto& [collection, need] : needs) {
    collection->Reserve(need.rows, need.killed);
  }
}

void CommitPlan::Apply() {
  for (const Batch& batch : batches_) {
    for (const RowChange& change : batch.changes) {
      if (change.killed != 0) {
        batch.collection->KillRow(change.killed, batch.sequence);
      }
      if (change.created != 0) {
        batch.collection->AppendRow(change.created, std::move(change.op->record),
                                    change.op->search);
      }
    }
  }
  for (const auto& [collection, counters] : counters_) {
    collection->counters = counters;
    collection->Publish(sequence_);
  }
}

}  // namespace leadline::engine
