#include "idempotency_audit.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "keys.h"
#include "prepared_batch.h"

namespace leadline::engine {
namespace {

/// A tag of one byte, then a number.
constexpr size_t kEntryPrefixBytes = 1 + sizeof(uint32_t);
constexpr size_t kTurnKeyBytes = 1 + sizeof(uint64_t);

class Audit {
 public:
  Audit(kv::Store* store, const kv::StoreSnapshot* snapshot, LongCall* call)
      : store_(store), snapshot_(snapshot), call_(call) {}

  Result<IdempotencyFindings> Run() {
    LEADLINE_RETURN_IF_ERROR(ReadRange());
    LEADLINE_RETURN_IF_ERROR(CheckTurns());
    LEADLINE_RETURN_IF_ERROR(CheckEntries());
    if (range_wrong_) {
      Report(std::string(kIdempotencyRangeKey), EncodeIdempotencyRange(findings_.range),
             "idempotency range", "does not hold what is there");
    }
    return std::move(findings_);
  }

 private:
  void Report(std::string key, std::optional<std::string> mended, std::string where,
              std::string detail) {
    findings_.problems.push_back(
        {std::move(key), std::move(mended), std::move(where), std::move(detail)});
  }

  Result<std::optional<std::string>> Read(std::string_view key) {
    return store_->Get(kv::Table::kMeta, key, snapshot_);
  }

  Status ReadRange() {
    LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> bytes, Read(kIdempotencyRangeKey));
    if (!bytes.has_value()) {
      return {};
    }
    const Result<IdempotencyRange> range = DecodeIdempotencyRange(*bytes);
    range_wrong_ = !range.ok();
    if (range.ok()) {
      findings_.range = *range;
    }
    return {};
  }

  /// Widens the range where it does not hold `number`.
  void Cover(uint64_t number) {
    IdempotencyRange& range = findings_.range;
    if (number < range.first || number >= range.next) {
      range_wrong_ = true;
      range.first = std::min(range.first, number);
      range.next = std::max(range.next, number + 1);
    }
  }

  Status CheckTurns() {
    LEADLINE_RETURN_IF_ERROR(call_->Begin("checking idempotency keys", 0));
    const auto it =
        store_->NewIterator(kv::Table::kMeta, std::string(1, kIdempotencyTurnPrefix), snapshot_);
    for (; it->Valid(); it->Next()) {
      LEADLINE_RETURN_IF_ERROR(call_->Before(it->value().size()));
      const uint64_t number = it->key().size() == kTurnKeyBytes ? OrdinalOfKey(it->key()) : 0;
      const Result<IdempotencyTurn> turn = DecodeIdempotencyTurn(it->value());
      const std::string where = "turn " + std::to_string(number) + " of an idempotency key";
      if (number == 0 || number == UINT64_MAX || !turn.ok()) {
        Report(std::string(it->key()), std::nullopt, where, "cannot be read");
        continue;
      }
      Cover(number);
      LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> entry,
                                Read(IdempotencyEntryKey(turn->collection, turn->key)));
      const Result<IdempotencyEntry> named = DecodeIdempotencyEntry(entry.value_or(""));
      if (entry.has_value() && (!named.ok() || named->number != number)) {
        Report(
            std::string(it->key()), std::nullopt, where,
            named.ok() ? "names the entry of another turn" : "names an entry that cannot be read");
      }
    }
    return it->status();
  }

  Status CheckEntries() {
    const auto it =
        store_->NewIterator(kv::Table::kMeta, std::string(1, kIdempotencyPrefix), snapshot_);
    for (; it->Valid(); it->Next()) {
      LEADLINE_RETURN_IF_ERROR(call_->Before(it->value().size()));
      LEADLINE_RETURN_IF_ERROR(CheckEntry(it->key(), it->value()));
    }
    return it->status();
  }

  Status CheckEntry(std::string_view key, std::string_view value) {
    const std::string text(key.substr(std::min(key.size(), kEntryPrefixBytes)));
    const Result<IdempotencyEntry> entry = DecodeIdempotencyEntry(value);
    if (text.empty() || !ValidateIdempotencyKey(text).ok() || !entry.ok() ||
        entry->number == UINT64_MAX) {
      Report(std::string(key), std::nullopt, "idempotency key", "its entry cannot be read");
      return {};
    }
    Cover(entry->number);
    const IdempotencyTurn turn{entry->time_ms, CollectionOfIdempotencyKey(key), text};
    LEADLINE_ASSIGN_OR_RETURN(const std::optional<std::string> stored,
                              Read(IdempotencyTurnKey(entry->number)));
    if (stored != EncodeIdempotencyTurn(turn)) {
      Report(IdempotencyTurnKey(entry->number), EncodeIdempotencyTurn(turn),
             "idempotency key " + text, "its turn is missing or another's");
    }
    return {};
  }

  kv::Store* const store_;
  const kv::StoreSnapshot* const snapshot_;
  LongCall* const call_;
  IdempotencyFindings findings_;
  bool range_wrong_ = false;
};

}  // namespace

Result<IdempotencyFindings> AuditIdempotency(kv::Store* store, const kv::StoreSnapshot* snapshot,
                                             LongCall* call) {
  return Audit(store, snapshot, call).Run();
}

}  // namespace leadline::engine
