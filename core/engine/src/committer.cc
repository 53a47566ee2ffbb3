#include "committer.h"

#include <utility>

#include "commit_plan.h"
#include "leadline/core/test_hooks.h"

namespace leadline::engine {
namespace {

/// A group stops growing here, so that the log write of one sync stays short.
constexpr size_t kMaxGroupOps = 20'000;

}  // namespace

Result<WriteResult> Committer::Submit(std::shared_ptr<CollectionState> collection,
                                      std::vector<PreparedOp> ops) {
  Request request;
  request.collection = std::move(collection);
  request.ops = std::move(ops);
  if (DefectPlanted(Defect::kAckBeforeCommit)) {
    auto early = std::make_unique<Request>(std::move(request));
    {
      MutexLock lock(&queue_mutex_);
      early.swap(acknowledged_too_early_);
    }
    if (early == nullptr) {
      return WriteResult{};
    }
    request = std::move(*early);
  }
  MutexLock lock(&queue_mutex_);
  queue_.push_back(&request);
  while (!request.done && (leader_active_ || queue_.front() != &request)) {
    queue_changed_.Wait(&queue_mutex_);
  }
  if (!request.done) {
    leader_active_ = true;
    const std::vector<Request*> group = TakeGroup();
    queue_mutex_.Unlock();
    CommitGroup(group);
    queue_mutex_.Lock();
    for (Request* member : group) {
      member->done = true;
    }
    leader_active_ = false;
    queue_changed_.NotifyAll();
  }
  if (!request.status.ok()) {
    return request.status;
  }
  return request.result;
}

std::vector<Committer::Request*> Committer::TakeGroup() {
  std::vector<Request*> group;
  size_t ops = 0;
  while (!queue_.empty() && (group.empty() || ops + queue_.front()->ops.size() <= kMaxGroupOps)) {
    ops += queue_.front()->ops.size();
    group.push_back(queue_.front());
    queue_.pop_front();
  }
  return group;
}

void Committer::CommitGroup(const std::vector<Request*>& group) {
  MutexLock lock(&core_->commit_mutex);
  CommitPlan plan(core_->store.get(), core_->sequence);
  for (Request* request : group) {
    if (request->collection->dropped()) {
      request->status =
          NotFoundError("collection was dropped: name=" + request->collection->entry().name);
      continue;
    }
    request->status = plan.Add(request->collection.get(), &request->ops, &request->result);
  }
  if (plan.empty()) {
    return;
  }
  plan.Finish();
  KillPoint("commit:before-log");
  const bool sync =
      core_->options.durability == Durability::kSync && !DefectPlanted(Defect::kSkipSync);
  const Status written = core_->store->Write(plan.batch(), sync);
  if (!written.ok()) {
    for (Request* request : group) {
      if (request->status.ok()) {
        request->status = written;
      }
    }
    return;
  }
  KillPoint("commit:after-log");
  core_->sequence = plan.sequence();
  plan.Apply();
}

}  // namespace leadline::engine
