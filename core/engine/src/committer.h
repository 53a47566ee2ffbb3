#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "database_core.h"
#include "idempotency_plan.h"
#include "leadline/core/record.h"
#include "prepared_batch.h"

namespace leadline::engine {

class CommitPlan;

/// The write path: groups the batches of concurrent callers into one log write and one sync, then
/// applies them to the tails and publishes.
///
/// The disk nearly full refuses a group but for its members that only delete.
///
/// A batch whose idempotency key was used before is answered with what that write gave.
///
/// A batch gets its sequence number and ordinals inside the group, in queue order. A batch that
/// fails its own checks (patch of an unknown id) leaves the group without effect on the others; a
/// failed log write fails the whole group and latches the store. Everything memory needs is
/// allocated before the log write. Thread-safe.
class Committer {
 public:
  explicit Committer(DatabaseCore* core) : core_(core) {}

  /// Blocks until the batch is as durable as the database's mode says.
  Result<WriteResult> Submit(std::shared_ptr<CollectionState> collection,
                             std::vector<PreparedOp> ops, WriteKey key = {});

 private:
  struct Request {
    std::shared_ptr<CollectionState> collection;
    std::vector<PreparedOp> ops;
    WriteKey key;
    size_t bytes = 0;
    bool only_deletes = false;
    bool done = false;
    bool answered = false;  ///< `status` is final, whatever becomes of the rest of the group
    Status status;
    WriteResult result;
  };

  /// Commits a group that starts with `first`, the head of the queue.
  void Lead(Request* first) LEADLINE_REQUIRES(queue_mutex_);
  void TakeGroup(std::vector<Request*>* group) LEADLINE_REQUIRES(queue_mutex_);
  /// Answers every member, whatever happens; throws nothing.
  void CommitGroup(const std::vector<Request*>& group) LEADLINE_EXCLUDES(queue_mutex_);
  /// May throw std::bad_alloc, with some members answered.
  void CommitLocked(const std::vector<Request*>& group) LEADLINE_REQUIRES(core_->commit_mutex);
  /// Commits the members whose batches are good. An error is that of the write, and then nothing
  /// was applied.
  Status TryCommit(const std::vector<Request*>& group, kv::Admission admission)
      LEADLINE_REQUIRES(core_->commit_mutex);
  /// Plans the batch, or answers it.
  static void Place(Request* request, CommitPlan* plan, IdempotencyPlan* keys);
  /// Gives `error` to every member that has no answer yet.
  static void Fail(const std::vector<Request*>& group, const Status& error);

  DatabaseCore* const core_;
  Mutex queue_mutex_;
  CondVar queue_changed_;
  std::deque<Request*> queue_ LEADLINE_GUARDED_BY(queue_mutex_);
  bool leader_active_ LEADLINE_GUARDED_BY(queue_mutex_) = false;
  /// What the planted defect kAckBeforeCommit has acknowledged but not yet written.
  std::unique_ptr<Request> acknowledged_too_early_ LEADLINE_GUARDED_BY(queue_mutex_);
};

}  // namespace leadline::engine
