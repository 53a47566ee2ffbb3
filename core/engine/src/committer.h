#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "database_core.h"
#include "leadline/core/record.h"
#include "prepared_batch.h"

namespace leadline::engine {

/// The write path: groups the batches of concurrent callers into one log write and one sync, then
/// applies them to the tails and publishes.
///
/// A batch gets its sequence number and ordinals inside the group, in queue order. A batch that
/// fails its own checks (patch of an unknown id) leaves the group without effect on the others; a
/// failed log write fails the whole group and latches the store. Thread-safe.
class Committer {
 public:
  explicit Committer(DatabaseCore* core) : core_(core) {}

  /// Blocks until the batch is as durable as the database's mode says.
  Result<WriteResult> Submit(std::shared_ptr<CollectionState> collection,
                             std::vector<PreparedOp> ops);

 private:
  struct Request {
    std::shared_ptr<CollectionState> collection;
    std::vector<PreparedOp> ops;
    bool done = false;
    Status status;
    WriteResult result;
  };

  std::vector<Request*> TakeGroup() LEADLINE_REQUIRES(queue_mutex_);
  void CommitGroup(const std::vector<Request*>& group) LEADLINE_EXCLUDES(queue_mutex_);

  DatabaseCore* const core_;
  Mutex queue_mutex_;
  CondVar queue_changed_;
  std::deque<Request*> queue_ LEADLINE_GUARDED_BY(queue_mutex_);
  bool leader_active_ LEADLINE_GUARDED_BY(queue_mutex_) = false;
  /// What the planted defect kAckBeforeCommit has acknowledged but not yet written.
  std::unique_ptr<Request> acknowledged_too_early_ LEADLINE_GUARDED_BY(queue_mutex_);
};

}  // namespace leadline::engine
