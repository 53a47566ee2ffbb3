#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "collection_state.h"
#include "leadline/core/record.h"
#include "leadline/storage/store.h"
#include "prepared_batch.h"

namespace leadline::engine {

/// The effect of one change: a row that goes, a row that comes, or both.
struct RowChange {
  uint64_t killed = 0;   ///< ordinal of the version that ends; 0 = none
  uint64_t created = 0;  ///< ordinal of the version that begins; 0 = none
  PreparedOp* op = nullptr;
};

/// Turns the batches of one commit group into one store batch, in order. Later batches see earlier
/// ones. Thread-compatible; used under the commit lock.
class CommitPlan {
 public:
  /// A record that expired at or before `now_ms` counts as absent.
  CommitPlan(kv::Store* store, uint64_t last_sequence, int64_t now_ms)
      : store_(store), now_ms_(now_ms), sequence_(last_sequence) {}

  /// Adds a batch; on error (kNotFound: patch of an unknown or expired id; store faults) the plan
  /// is as before. Resolves patches in `ops` into whole records. `ops` must outlive the plan.
  Status Add(CollectionState* collection, std::vector<PreparedOp>* ops, WriteResult* result);
  /// Adds sequence and counters: the batch is complete.
  void Finish();

  [[nodiscard]] const kv::WriteBatch& batch() const { return batch_; }

  /// For what is to be written with the changes.
  [[nodiscard]] kv::WriteBatch* mutable_batch() { return &batch_; }

  [[nodiscard]] uint64_t sequence() const { return sequence_; }

  [[nodiscard]] bool empty() const { return batches_.empty(); }

  /// Allocates what Apply needs. Call once, before the batch goes to the store: afterwards nothing
  /// may fail. May throw std::bad_alloc.
  void Reserve();
  /// Applies everything to the collections' memory and publishes. Call once, after the store has
  /// the batch; takes the records out of the operations.
  void Apply();

 private:
  struct Batch {
    CollectionState* collection;
    uint64_t sequence;
    std::vector<RowChange> changes;
  };

  /// Location key -> ordinal, 0 where the id was deleted.
  using Overlay = std::unordered_map<std::string, uint64_t>;
  /// Record key -> the planned version.
  using Created = std::unordered_map<std::string, const PreparedOp*>;

  Result<uint64_t> Locate(const Overlay& own, const std::string& location_key);
  /// True when the stored version `ordinal` of a record has expired.
  Result<bool> HasExpired(const Created& own, const CollectionState& collection, uint64_t ordinal);
  Status ResolvePatch(const Created& own, const CollectionState& collection, uint64_t ordinal,
                      PreparedOp* op);
  void Emit(const Batch& batch);
  Counters& CountersOf(CollectionState* collection);

  kv::Store* const store_;
  const int64_t now_ms_;
  uint64_t sequence_;
  kv::WriteBatch batch_;
  std::vector<Batch> batches_;
  Overlay overlay_;
  Created created_;
  std::unordered_map<CollectionState*, Counters> counters_;
};

}  // namespace leadline::engine
