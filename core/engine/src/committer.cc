#include "committer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "commit_plan.h"
#include "leadline/core/no_throw.h"
#include "leadline/core/test_hooks.h"

namespace leadline::engine {
namespace {

/// A group stops growing here, so that the log write of one sync stays short and what it needs in
/// memory stays bounded.
constexpr size_t kMaxGroupOps = 20'000;
constexpr size_t kMaxGroupBytes = size_t{64} << 20;

bool OnlyDeletes(const std::vector<PreparedOp>& ops) {
  return std::all_of(ops.begin(), ops.end(),
                     [](const PreparedOp& op) { return op.kind == WriteBatch::Kind::kDelete; });
}

}  // namespace

Result<WriteResult> Committer::Submit(std::shared_ptr<CollectionState> collection,
                                      std::vector<PreparedOp> ops, WriteKey key) {
  Request request;
  request.collection = std::move(collection);
  request.ops = std::move(ops);
  request.key = std::move(key);
  request.only_deletes = OnlyDeletes(request.ops);
  for (const PreparedOp& op : request.ops) {
    request.bytes += BytesOf(op);
  }
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
    Lead(&request);
  }
  if (!request.status.ok()) {
    return request.status;
  }
  return request.result;
}

void Committer::Lead(Request* first) {
  std::vector<Request*> group;
  const size_t waiting = queue_.size();
  const Status reserved = NoThrow([&] {
    group.reserve(waiting);  // nothing below may fail: a popped request must be answered
    return OkStatus();
  });
  if (reserved.ok()) {
    leader_active_ = true;
    TakeGroup(&group);
    queue_mutex_.Unlock();
    CommitGroup(group);
    queue_mutex_.Lock();
    for (Request* member : group) {
      member->done = true;
    }
    leader_active_ = false;
  } else {
    queue_.pop_front();
    first->status = reserved;
  }
  queue_changed_.NotifyAll();
}

void Committer::TakeGroup(std::vector<Request*>* group) {
  size_t ops = 0;
  size_t bytes = 0;
  while (!queue_.empty() && (group->empty() || (ops + queue_.front()->ops.size() <= kMaxGroupOps &&
                                                bytes + queue_.front()->bytes <= kMaxGroupBytes))) {
    ops += queue_.front()->ops.size();
    bytes += queue_.front()->bytes;
    group->push_back(queue_.front());
    queue_.pop_front();
  }
}

void Committer::CommitGroup(const std::vector<Request*>& group) {
  MutexLock lock(&core_->commit_mutex);
  const Status thrown = NoThrow([&]() LEADLINE_NO_THREAD_SAFETY_ANALYSIS {
    CommitLocked(group);
    return OkStatus();
  });
  if (!thrown.ok()) {
    Fail(group, core_->broken.ok() ? thrown : core_->broken);
  }
}

void Committer::CommitLocked(const std::vector<Request*>& group) {
  if (!core_->broken.ok()) {
    Fail(group, core_->broken);
    return;
  }
  const Status refused = TryCommit(group, kv::Admission::kNormal);
  const bool full = refused.code() == StatusCode::kResourceExhausted && core_->store->Health().ok();
  if (full) {
    // What only deletes makes room: it is let through for longer while the disk fills up.
    std::vector<Request*> deletes;
    std::copy_if(group.begin(), group.end(), std::back_inserter(deletes), [](const Request* r) {
      return r->only_deletes && !r->answered && r->status.ok();
    });
    const Status shrunk = TryCommit(deletes, kv::Admission::kShrink);
    Fail(deletes, shrunk);
    for (Request* request : group) {
      request->answered = request->answered || request->only_deletes;
    }
  }
  Fail(group, refused);
}

void Committer::Place(Request* request, CommitPlan* plan, IdempotencyPlan* keys) {
  CollectionState* collection = request->collection.get();
  if (collection->dropped()) {
    request->status = NotFoundError("collection was dropped: name=" + collection->entry().name);
    return;
  }
  const bool keyed = !request->key.text.empty();
  if (keyed) {
    const Result<std::optional<EarlierWrite>> earlier = keys->Find(collection->id(), request->key);
    request->status = earlier.status();
    if (!earlier.ok()) {
      return;
    }
    if (earlier->has_value()) {
      request->result = (*earlier)->result;
      // What is in the store stays true; what this group is to write may yet fail.
      request->answered = (*earlier)->stored;
      return;
    }
  }
  request->status = plan->Add(collection, &request->ops, &request->result);
  if (keyed && request->status.ok()) {
    keys->Add(collection->id(), request->key, request->result);
  }
}

Status Committer::TryCommit(const std::vector<Request*>& group, kv::Admission admission) {
  CommitPlan plan(core_->store.get(), core_->sequence, core_->clock->UnixMillis());
  IdempotencyPlan keys(core_);
  for (Request* request : group) {
    Place(request, &plan, &keys);
  }
  if (plan.empty()) {
    return {};
  }
  plan.Finish();
  LEADLINE_RETURN_IF_ERROR(keys.AppendTo(plan.mutable_batch()));
  plan.Reserve();
  KillPoint("commit:before-log");
  const bool sync =
      core_->options.durability == Durability::kSync && !DefectPlanted(Defect::kSkipSync);
  LEADLINE_RETURN_IF_ERROR(core_->store->Write(plan.batch(), sync, admission));
  const MemoryFollows follows(core_);
  KillPoint("commit:after-log");
  if (!sync) {
    core_->unsynced.store(true, std::memory_order_release);
  }
  core_->sequence = plan.sequence();
  core_->idempotency = keys.range();
  plan.Apply();
  return {};
}

void Committer::Fail(const std::vector<Request*>& group, const Status& error) {
  for (Request* request : group) {
    if (!request->answered && request->status.ok()) {
      request->status = error;
    }
  }
}

}  // namespace leadline::engine
