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
  const PreparedOp* op = nullptr;
};

/// Turns the batches of one commit group into one store batch, in order. Later batches see earlier
/// ones. Thread-compatible; used under the commit lock.
class CommitPlan {
 public:
  CommitPlan(kv::Store* store, uint64_t last_sequence) : store_(store), sequence_(last_sequence) {}

  /// Adds a batch; on error (kNotFound: patch of an unknown id; store faults) the plan is as
  /// before. Resolves patches in `ops` into whole records. `ops` must outlive the plan.
  Status Add(CollectionState* collection, std::vector<PreparedOp>* ops, WriteResult* result);
  /// Adds sequence and counters: the batch is complete.
  void Finish();

  [[nodiscard]] const kv::WriteBatch& batch() const { return batch_; }

  [[nodiscard]] uint64_t sequence() const { return sequence_; }

  [[nodiscard]] bool empty() const { return batches_.empty(); }

  /// Applies everything to the collections' memory and publishes. Call once, after the store has
  /// the batch.
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
  Status ResolvePatch(const Created& own, const CollectionState& collection, uint64_t ordinal,
                      PreparedOp* op);
  void Emit(const Batch& batch, const Counters& counters);
  Counters& CountersOf(CollectionState* collection);

  kv::Store* const store_;
  uint64_t sequence_;
  kv::WriteBatch batch_;
  std::vector<Batch> batches_;
  Overlay overlay_;
  Created created_;
  std::unordered_map<CollectionState*, Counters> counters_;
};

}  // namespace leadline::engine
