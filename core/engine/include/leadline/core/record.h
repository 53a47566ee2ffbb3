#pragma once

/// What a collection stores, and batches of changes to it.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "leadline/core/types.h"

namespace leadline {

/// Longest idempotency key of a batch, how long its result is remembered, and how many results one
/// database remembers: the oldest go first.
inline constexpr size_t kMaxIdempotencyKeyBytes = 128;
inline constexpr int64_t kIdempotencyLifeMs = int64_t{24} * 3'600'000;
inline constexpr uint64_t kMaxIdempotencyEntries = 1'000'000;

struct NamedVector {
  std::string name;
  std::vector<float> values;  ///< dim of them, each in [-kMaxComponent, kMaxComponent]
};

/// One stored record. A record needs at least one vector; fields it lacks are not searched.
struct Record {
  std::string id;                          ///< 1 to kMaxIdBytes bytes of UTF-8
  std::vector<float> vector;               ///< of the default field, as above; empty means absent
  std::vector<NamedVector> named_vectors;  ///< of the other fields
  /// JSON object as text, at most kMaxPayloadBytes and kMaxPayloadDepth levels; empty means {}.
  std::string payload;
  /// Unix milliseconds after which the record is invisible; absent means never.
  std::optional<int64_t> expires_at_ms;
};

/// Changes that become visible and durable together, in the order they were added. Later changes
/// see earlier ones. Thread-compatible.
class WriteBatch {
 public:
  /// Inserts the record, or replaces the one with its id.
  void Upsert(Record record) { ops_.push_back({Kind::kUpsert, std::move(record)}); }

  /// Applies an RFC 7396 merge patch to the payload; the batch fails with kNotFound when no record
  /// has this id. The whole patched record counts towards kMaxBatchBytes.
  void PatchPayload(std::string id, std::string patch) {
    Op op{Kind::kPatch, {}};
    op.record.id = std::move(id);
    op.record.payload = std::move(patch);
    ops_.push_back(std::move(op));
  }

  /// Deletes the record; an unknown id is no error and is not counted.
  void Delete(std::string id) {
    Op op{Kind::kDelete, {}};
    op.record.id = std::move(id);
    ops_.push_back(std::move(op));
  }

  /// Names this write, so that it is done once however often it is sent: see Collection::Write.
  /// 1 to kMaxIdempotencyKeyBytes bytes of printable ASCII, best random; empty takes the name away.
  void SetIdempotencyKey(std::string key) { idempotency_key_ = std::move(key); }

  [[nodiscard]] const std::string& idempotency_key() const { return idempotency_key_; }

  /// Removes the changes and the idempotency key.
  void Clear() {
    ops_.clear();
    idempotency_key_.clear();
  }

  [[nodiscard]] size_t size() const { return ops_.size(); }

  enum class Kind : uint8_t { kUpsert, kPatch, kDelete };

  struct Op {
    Kind kind;
    Record record;
  };

  [[nodiscard]] const std::vector<Op>& ops() const { return ops_; }

 private:
  std::vector<Op> ops_;
  std::string idempotency_key_;
};

struct WriteResult {
  SequenceNumber sequence = 0;  ///< of this batch
  uint64_t upserted = 0;
  uint64_t patched = 0;
  uint64_t deleted = 0;  ///< records that existed
};

}  // namespace leadline
