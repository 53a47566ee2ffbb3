#include "idempotency_plan.h"

#include <algorithm>
#include <utility>

#include "keys.h"

namespace leadline::engine {
namespace {

constexpr uint64_t kPruneStep = 256;
constexpr uint64_t kRoomFactor = 2;

/// The turn `number`; nullopt where there is none, or none that can be read: whoever makes room
/// passes over it, and check finds what it leaves.
Result<std::optional<IdempotencyTurn>> ReadTurn(kv::Store* store, uint64_t number) {
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                            store->Get(kv::Table::kMeta, IdempotencyTurnKey(number)));
  Result<IdempotencyTurn> turn = DecodeIdempotencyTurn(bytes.value_or(""));
  return turn.ok() ? std::optional<IdempotencyTurn>(*std::move(turn)) : std::nullopt;
}

}  // namespace

IdempotencyPlan::IdempotencyPlan(DatabaseCore* core)
    : core_(core), old_next_(core->idempotency.next), range_(core->idempotency) {}

int64_t IdempotencyPlan::NowMs() {
  if (!now_ms_.has_value()) {
    now_ms_ = std::max<int64_t>(0, core_->BelievedUnixMillis());
  }
  return *now_ms_;
}

Result<std::optional<EarlierWrite>> IdempotencyPlan::Find(uint32_t collection,
                                                          const WriteKey& key) {
  const std::string entry_key = IdempotencyEntryKey(collection, key.text);
  const auto planned = planned_.find(entry_key);
  const bool stored = planned == planned_.end();
  IdempotencyEntry entry;
  if (!stored) {
    entry = planned->second.entry;
  } else {
    LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                              core_->store->Get(kv::Table::kMeta, entry_key));
    if (!bytes.has_value()) {
      return std::optional<EarlierWrite>();
    }
    LEADLINE_ASSIGN_OR_RETURN(entry, DecodeIdempotencyEntry(*bytes));
    if (entry.ExpiredAt(NowMs())) {
      expired_[entry_key] = entry.number;
      return std::optional<EarlierWrite>();
    }
  }
  if (entry.digest != key.digest) {
    return AlreadyExistsError("key was used for a batch of another content: idempotency_key=" +
                              key.text + " sequence=" + std::to_string(entry.result.sequence))
        .WithField("idempotency_key", "one content for 24 hours");
  }
  return std::optional<EarlierWrite>({entry.result, stored});
}

void IdempotencyPlan::Add(uint32_t collection, const WriteKey& key, const WriteResult& result) {
  const int64_t time_ms = NowMs();
  const IdempotencyEntry entry{result, key.digest, time_ms, range_.next};
  planned_[IdempotencyEntryKey(collection, key.text)] = {entry, {time_ms, collection, key.text}};
  ++range_.next;
}

Status IdempotencyPlan::AppendTo(kv::WriteBatch* batch) {
  if (planned_.empty()) {
    return {};
  }
  for (const auto& [key, planned] : planned_) {
    batch->Put(kv::Table::kMeta, key, EncodeIdempotencyEntry(planned.entry));
    batch->Put(kv::Table::kMeta, IdempotencyTurnKey(planned.entry.number),
               EncodeIdempotencyTurn(planned.turn));
    const auto expired = expired_.find(key);
    if (expired != expired_.end()) {
      batch->Delete(kv::Table::kMeta, IdempotencyTurnKey(expired->second));
    }
  }
  LEADLINE_RETURN_IF_ERROR(MakeRoom(batch));
  batch->Put(kv::Table::kMeta, kIdempotencyRangeKey, EncodeIdempotencyRange(range_));
  return {};
}

Status IdempotencyPlan::MakeRoom(kv::WriteBatch* batch) {
  for (uint64_t step = 0; step < kRoomFactor * planned_.size() && range_.first < old_next_ &&
                          range_.next - range_.first > kMaxIdempotencyEntries;
       ++step, ++range_.first) {
    LEADLINE_ASSIGN_OR_RETURN(const std::optional<IdempotencyTurn> turn,
                              ReadTurn(core_->store.get(), range_.first));
    batch->Delete(kv::Table::kMeta, IdempotencyTurnKey(range_.first));
    if (turn.has_value()) {
      const std::string entry_key = IdempotencyEntryKey(turn->collection, turn->key);
      if (!planned_.contains(entry_key)) {  // else this batch has the key's next entry
        batch->Delete(kv::Table::kMeta, entry_key);
      }
    }
  }
  return {};
}

Result<bool> PruneIdempotency(DatabaseCore* core, int64_t now_ms) {
  MutexLock lock(&core->commit_mutex);
  LEADLINE_RETURN_IF_ERROR(core->broken);
  IdempotencyRange range = core->idempotency;
  kv::WriteBatch batch;
  for (; range.first < range.next && range.first - core->idempotency.first < kPruneStep;
       ++range.first) {
    LEADLINE_ASSIGN_OR_RETURN(const std::optional<IdempotencyTurn> turn,
                              ReadTurn(core->store.get(), range.first));
    if (turn.has_value()) {
      if (now_ms - turn->time_ms < kIdempotencyLifeMs) {
        break;
      }
      batch.Delete(kv::Table::kMeta, IdempotencyEntryKey(turn->collection, turn->key));
    }
    batch.Delete(kv::Table::kMeta, IdempotencyTurnKey(range.first));
  }
  if (range.first == core->idempotency.first) {
    return false;
  }
  batch.Put(kv::Table::kMeta, kIdempotencyRangeKey, EncodeIdempotencyRange(range));
  const bool sync = core->options.durability == Durability::kSync;
  LEADLINE_RETURN_IF_ERROR(core->store->Write(batch, sync, kv::Admission::kShrink));
  if (!sync) {
    core->unsynced.store(true, std::memory_order_release);
  }
  core->idempotency = range;
  return true;
}

}  // namespace leadline::engine
