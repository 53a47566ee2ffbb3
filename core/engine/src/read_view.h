#pragma once

#include <memory>
#include <unordered_map>

#include "collection_state.h"
#include "database_core.h"
#include "leadline/core/database.h"
#include "row_source.h"

namespace leadline::engine {

/// A pinned moment: the published state of every collection and the matching store snapshot, taken
/// together under the commit lock.
class PinnedSnapshot final : public Snapshot {
 public:
  static Result<std::shared_ptr<const PinnedSnapshot>> Take(std::shared_ptr<DatabaseCore> core);

  [[nodiscard]] SequenceNumber sequence() const override { return sequence_; }

  [[nodiscard]] const std::shared_ptr<DatabaseCore>& core() const { return core_; }

  [[nodiscard]] int64_t now_ms() const { return now_ms_; }

  [[nodiscard]] const kv::StoreSnapshot* store() const { return store_.get(); }

  /// State of the collection with this id, or null when it did not exist.
  [[nodiscard]] std::shared_ptr<const ReadState> StateOf(uint32_t collection) const;

 private:
  PinnedSnapshot() = default;

  std::shared_ptr<DatabaseCore> core_;  // first: outlives the store snapshot
  SequenceNumber sequence_ = 0;
  int64_t now_ms_ = 0;
  std::unordered_map<uint32_t, std::shared_ptr<const ReadState>> states_;
  std::shared_ptr<const kv::StoreSnapshot> store_;
};

/// Everything one read call looks at.
struct ReadView {
  std::shared_ptr<DatabaseCore> core;
  std::shared_ptr<CollectionState> collection;
  std::shared_ptr<const ReadState> state;
  std::shared_ptr<const PinnedSnapshot> pinned;    ///< null when the newest state is read
  std::shared_ptr<const kv::StoreSnapshot> store;  ///< what PinStore took, else null
  Visibility visibility;
};

/// Makes the view of `collection` at `snapshot` (null: newest). kInvalidArgument when the snapshot
/// belongs to another database, kNotFound when it is older than the collection.
Result<ReadView> MakeReadView(std::shared_ptr<DatabaseCore> core,
                              std::shared_ptr<CollectionState> collection,
                              const std::shared_ptr<const Snapshot>& snapshot,
                              const std::optional<Filter>& filter);

/// Lets `view` see the store at one moment, the present one, for calls whose answer comes from the
/// store alone. That moment is not older than the state of the view but may be newer, so a call
/// that combines the two needs a PinnedSnapshot instead. No effect on the view of a snapshot.
/// kFailedPrecondition when the store gives no snapshot. Takes no lock that a writer holds for
/// long.
Status PinStore(ReadView* view);

/// Deadline and cancellation of one call, made once when it begins: what it repeats inside falls
/// under the same deadline. `timeout_ms` 0 means none, and one past the end of time too.
/// kInvalidArgument when it is negative.
Result<CallControl> MakeControl(Clock* clock, int64_t timeout_ms, const CancelToken* cancel);

}  // namespace leadline::engine
