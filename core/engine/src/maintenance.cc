#include "maintenance.h"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

#include "group_builder.h"
#include "idempotency_plan.h"
#include "leadline/core/no_throw.h"
#include "leadline/core/thread_priority.h"
#include "long_call.h"
#include "memory_keeper.h"

namespace leadline::engine {
namespace {

constexpr int64_t kIdleTickMs = 1000;
/// How soon a wait sees a token that nobody announces.
constexpr int64_t kWaitTickMs = 50;
/// A writer waits while the tail is this many times past the point where sealing starts.
constexpr uint64_t kThrottleFactor = 8;
constexpr size_t kExpiredBatch = 1000;

int64_t NowMs() {
  return Clock::System()->MonotonicNanos() / 1'000'000;
}

}  // namespace

Maintenance::Maintenance(std::shared_ptr<DatabaseCore> core, Committer* committer)
    : core_(std::move(core)), committer_(committer) {}

void Maintenance::Start() {
  const auto nice = static_cast<int>(core_->options.background_nice);
  if (core_->options.background_threads > 1) {
    // The builder itself computes too.
    build_executor_ = NewThreadPool(core_->options.background_threads, nice);
  }
  if (core_->options.background_maintenance) {
    sealer_ = std::thread([this, nice] {
      LowerThreadPriority(nice);
      RunSealer();
    });
    builder_ = std::thread([this, nice] {
      LowerThreadPriority(nice);
      RunBuilder();
    });
  }
  if (core_->options.durability == Durability::kInterval) {
    syncer_ = std::thread([this] { RunIntervalSync(); });
  }
}

Maintenance::~Maintenance() {
  Stop();
}

void Maintenance::TailGrew(CollectionState* collection) {
  collection->NoteGrowth(core_->clock->MonotonicNanos());
  if (!TailIsFull(*collection->Load(), core_->options)) {
    return;
  }
  {
    MutexLock lock(&mutex_);
    seal_pending_ = true;
  }
  wake_.NotifyAll();
}

void Maintenance::Stop() {
  stop_.Cancel();
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  sync_wake_.NotifyAll();
  progressed_.NotifyAll();
  for (std::thread* thread : {&sealer_, &builder_, &syncer_}) {
    if (thread->joinable()) {
      thread->join();
    }
  }
  MutexLock lock(&mutex_);
  while (running_[kSeal] || running_[kBuild]) {
    progressed_.Wait(&mutex_);
  }
}

Status Maintenance::ThrottleWriter(const CollectionState& collection) {
  if (!core_->options.background_maintenance ||
      !TailIsFull(*collection.Load(), core_->options, kThrottleFactor)) {
    return {};
  }
  const int64_t deadline = NowMs() + kThrottleLimitMs;
  MutexLock lock(&mutex_);
  while (!stopping_ && core_->store->Health().ok()) {
    const std::shared_ptr<const ReadState> state = collection.Load();
    if (!TailIsFull(*state, core_->options, kThrottleFactor)) {
      return {};
    }
    const std::string error = collection.backoff.ErrorOf(BuildBackoff::kSealLane);
    if (!error.empty() || NowMs() >= deadline) {
      return ResourceExhaustedError(
          "too many rows are waiting to be sealed; deletes are still taken: collection=" +
          collection.entry().name + " rows=" + std::to_string(state->TailRows()) +
          " bytes=" + std::to_string(state->tail_bytes) + ": " +
          (error.empty() ? "sealing does not keep up" : error));
    }
    seal_pending_ = true;
    wake_.NotifyAll();
    progressed_.WaitFor(&mutex_, kWaitTickMs);
  }
  return {};  // the write itself says what is wrong
}

Result<MemoryClaim> Maintenance::AdmitRows(const CollectionState& collection, uint64_t bytes) {
  const uint64_t budget = core_->options.memory_budget_bytes;
  if (budget == 0) {
    return MemoryClaim();
  }
  const uint64_t needed = bytes + TailChunk::BytesOf(collection.fields());
  // What searches add to fresh rows, their codes, is not asked for.
  const uint64_t limit = budget - budget / 16;
  const int64_t deadline = NowMs() + (core_->options.background_maintenance ? kThrottleLimitMs : 0);
  while (true) {
    MemoryClaim claim(&claimed_bytes_, needed);
    const MemoryUse use = MeasureMemory(core_.get());
    const uint64_t wanted = use.heap + use.kept + claimed_bytes_.load(std::memory_order_relaxed);
    if (wanted <= limit) {
      core_->wanted_bytes.store(0, std::memory_order_relaxed);
      return claim;
    }
    const std::string error = collection.backoff.ErrorOf(BuildBackoff::kSealLane);
    if (!error.empty() || needed > limit || NowMs() >= deadline) {
      core_->wanted_bytes.store(0, std::memory_order_relaxed);
      return ResourceExhaustedError(
                 "rows would take more memory than the budget; deletes are still taken: "
                 "collection=" +
                 collection.entry().name +
                 " field=memory_budget_bytes value=" + std::to_string(wanted) +
                 " limit=" + std::to_string(limit) + (error.empty() ? "" : ": " + error))
          .WithField("memory_budget_bytes", std::to_string(budget));
    }
    short_of_memory_.store(true, std::memory_order_relaxed);
    core_->wanted_bytes.store(needed, std::memory_order_relaxed);
    MutexLock lock(&mutex_);
    if (stopping_) {
      return claim;  // the write itself says what is wrong
    }
    seal_pending_ = true;
    wake_.NotifyAll();
    progressed_.WaitFor(&mutex_, kWaitTickMs);
  }
}

bool Maintenance::WaitForWork(bool* pending) {
  MutexLock lock(&mutex_);
  if (!*pending && !stopping_) {
    wake_.WaitFor(&mutex_, kIdleTickMs);
  }
  *pending = false;
  return !stopping_;
}

void Maintenance::RunSealer() {
  while (WaitForWork(&seal_pending_)) {
    // Memory that ran out may be there at the next tick.
    NoThrow([&] {
      SealWhereDue();
      return OkStatus();
    }).IgnoreError();
  }
}

bool Maintenance::IsIdle(const CollectionState& collection) const {
  const int64_t wait_ms = core_->options.seal_idle_ms;
  return wait_ms > 0 &&
         core_->clock->MonotonicNanos() - collection.last_growth() >= wait_ms * int64_t{1'000'000};
}

void Maintenance::SealWhereDue() {
  bool sealed = false;
  const bool any_tail = short_of_memory_.exchange(false, std::memory_order_relaxed);
  for (const std::shared_ptr<CollectionState>& collection : core_->Collections()) {
    sealed = RunOne(kSeal, collection,
                    [&](const ReadState& state) {
                      const bool due =
                          (any_tail || TailIsFull(state, core_->options) ||
                           (IsIdle(*collection) && IdleTailIsDue(state, *collection))) &&
                          !collection->backoff.Waiting(BuildBackoff::kSealLane,
                                                       core_->clock->MonotonicNanos());
                      return due ? PickSeal(state) : std::nullopt;
                    }) ||
             sealed;
  }
  if (sealed) {
    MutexLock lock(&mutex_);
    seal_pending_ = true;
    build_pending_ = true;
    wake_.NotifyAll();
  }
}

void Maintenance::RunBuilder() {
  while (WaitForWork(&build_pending_)) {
    NoThrow([&] {
      BuildWhereDue();
      return OkStatus();
    }).IgnoreError();
  }
}

void Maintenance::BuildWhereDue() {
  bool built = false;
  CallControl control;
  control.owner_cancel = &stop_;
  PruneIdempotencyEntries(control).IgnoreError();
  for (const std::shared_ptr<CollectionState>& collection : core_->Collections()) {
    // A refused delete changes nothing and is tried again; a sick store shows in Health.
    DeleteExpired(collection, control).IgnoreError();
    const LaneWaits waits = [&](uint64_t lane) {
      return collection->backoff.Waiting(lane, core_->clock->MonotonicNanos());
    };
    built = RunOne(kBuild, collection,
                   [&](const ReadState& state) {
                     return PickBackgroundBuild(state, *collection, IsIdle(*collection), waits);
                   }) ||
            built;
  }
  if (built) {
    MutexLock lock(&mutex_);
    build_pending_ = true;
  }
}

bool Maintenance::RunOne(Job job, const std::shared_ptr<CollectionState>& collection,
                         const PickBuild& pick) {
  // Nothing is built while the store is sick: nothing could be published.
  if (!core_->store->Health().ok() || !pick(*collection->Load()).has_value()) {
    return false;
  }
  CallControl control;
  control.owner_cancel = &stop_;
  bool built = false;
  // A failed build changes nothing: it waits in its lane and shows in the statistics.
  Build(job, collection, pick, {}, control, &built).IgnoreError();
  return built;
}

Status Maintenance::TakeTurn(Job job, const CallControl& control) {
  MutexLock lock(&mutex_);
  while (true) {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    if (!running_[job]) {
      break;
    }
    progressed_.WaitFor(&mutex_, kWaitTickMs);
  }
  running_[job] = true;
  return {};
}

void Maintenance::EndTurn(Job job) {
  {
    MutexLock lock(&mutex_);
    running_[job] = false;
  }
  progressed_.NotifyAll();
}

Status Maintenance::CheckSpace(const CollectionState& collection, const BuildRange& range) const {
  const uint64_t reserve = core_->options.min_free_bytes;
  const Result<uint64_t> free = core_->fs->FreeSpace(core_->segment_directory());
  if (reserve == 0 || !free.ok()) {
    return {};
  }
  const uint64_t needed = reserve + EstimateBuildBytes(*collection.Load(), collection, range);
  if (*free >= needed) {
    return {};
  }
  return ResourceExhaustedError(
             "no room on the disk for " + range.reason + ": collection=" + collection.entry().name +
             " free=" + std::to_string(*free) + " needed=" + std::to_string(needed))
      .WithField("min_free_bytes", std::to_string(reserve));
}

Status Maintenance::Build(Job job, const std::shared_ptr<CollectionState>& collection,
                          const PickBuild& pick, const Progress& progress,
                          const CallControl& control, bool* built) {
  *built = false;
  LEADLINE_RETURN_IF_ERROR(TakeTurn(job, control));
  Status status = NoThrow([&] { return BuildPicked(collection, pick, progress, control, built); });
  EndTurn(job);
  return status;
}

Status Maintenance::BuildPicked(const std::shared_ptr<CollectionState>& collection,
                                const PickBuild& pick, const Progress& progress,
                                const CallControl& control, bool* built) {
  Status status = core_->store->Health();
  const std::optional<BuildRange> wanted = status.ok() ? pick(*collection->Load()) : std::nullopt;
  if (wanted.has_value()) {
    // Before anything is frozen or started: a full disk stays full for a while.
    status = CheckSpace(*collection, *wanted);
    uint64_t lane = wanted->lane;
    if (status.ok()) {
      status = BuildAndPublish(collection.get(), pick, progress, control, &lane, built);
    }
    if (!status.ok() && !IsStop(status) && !collection->dropped()) {
      collection->backoff.Failed(lane, status, core_->clock->MonotonicNanos());
    }
  }
  return status;
}

Status Maintenance::BuildAndPublish(CollectionState* collection, const PickBuild& pick,
                                    const Progress& progress, const CallControl& control,
                                    uint64_t* lane, bool* built) {
  LEADLINE_ASSIGN_OR_RETURN(std::optional<PendingBuild> pending,
                            StartBuild(core_.get(), collection, pick));
  if (!pending.has_value()) {
    return {};
  }
  *lane = pending->range.lane;
  Status status = NoThrow([&]() -> Status {
    pending->request.executor = build_executor_.get();
    pending->request.control = control;
    if (progress) {
      progress(pending->range.reason, 0);
      pending->request.progress = progress;
    }
    LEADLINE_ASSIGN_OR_RETURN(const GroupEntry entry,
                              BuildGroup(core_.get(), *collection, pending->request));
    return PublishBuild(core_.get(), collection, *pending, entry);
  });
  *built = status.ok();
  EndBuild(core_.get(), collection, *pending, *built);
  if (*built) {
    collection->backoff.Succeeded(*lane, pending->request.first_ordinal,
                                  pending->request.last_ordinal);
    // Losing the floor costs nothing but the detection of a truncated log.
    core_->store->AdvanceLowWater(pending->request.build_sequence).IgnoreError();
  }
  return status;
}

Status Maintenance::Optimize(const std::shared_ptr<CollectionState>& collection,
                             const Progress& progress, CallControl control) {
  control.owner_cancel = &stop_;
  LEADLINE_RETURN_IF_ERROR(control.Check());
  // What is written from now on is the business of a later call.
  const uint64_t target = collection->Load()->next_ordinal - 1;
  LEADLINE_RETURN_IF_ERROR(DeleteExpired(collection, control));
  LEADLINE_RETURN_IF_ERROR(PruneIdempotencyEntries(control));
  LEADLINE_RETURN_IF_ERROR(VerifySegments(*collection->Load(), control));
  const PickBuild seal = [&](const ReadState& state) {
    const bool older = state.TailRows() > 0 && state.tail->chunks.front()->ordinal(0) <= target;
    return older ? PickSeal(state) : std::nullopt;
  };
  const PickBuild build = [&](const ReadState& state) {
    return PickOptimizeBuild(state, *collection, target);
  };
  bool built = false;
  LEADLINE_RETURN_IF_ERROR(Build(kSeal, collection, seal, progress, control, &built));
  do {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    LEADLINE_RETURN_IF_ERROR(Build(kBuild, collection, build, progress, control, &built));
  } while (built);
  return {};
}

Status Maintenance::VerifySegments(const ReadState& state, const CallControl& control) {
  for (const auto& group : *state.groups) {
    for (const auto& segment : group->segments) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      if (segment != nullptr) {
        // What is wrong is noted in the segment, and the next build mends it.
        LEADLINE_RETURN_IF_ERROR(segment->VerifiedContents(control).status());
      }
    }
  }
  return {};
}

Status Maintenance::PruneIdempotencyEntries(const CallControl& control) {
  const int64_t now_ms = core_->BelievedUnixMillis();
  bool more = true;
  while (more && core_->store->Health().ok()) {
    LEADLINE_ASSIGN_OR_RETURN(more, PruneIdempotency(core_.get(), now_ms));
    LEADLINE_RETURN_IF_ERROR(control.Check());
  }
  return {};
}

Status Maintenance::DeleteExpired(const std::shared_ptr<CollectionState>& collection,
                                  const CallControl& control) {
  const int64_t now_ms = core_->BelievedUnixMillis();
  uint64_t last_first = 0;
  while (core_->store->Health().ok()) {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    const std::shared_ptr<const ReadState> state = collection->Load();
    if (!state->MayHoldExpired(now_ms)) {
      return {};
    }
    std::vector<SealedSegment::Expired> expired;
    CollectExpired(*state, now_ms, kExpiredBatch, &expired);
    std::vector<PreparedOp> ops;
    std::unordered_set<uint64_t> seen;  // a record stands in the segment of each of its fields
    for (SealedSegment::Expired& row : expired) {
      if (seen.insert(row.ordinal).second) {
        PreparedOp op;
        op.kind = WriteBatch::Kind::kDelete;
        op.record.id = std::move(row.id);
        op.expected_ordinal = row.ordinal;
        ops.push_back(std::move(op));
      }
    }
    // The same rows again mean that they cannot be deleted: `leadline check` says why.
    if (ops.empty() || ops.front().expected_ordinal == last_first) {
      return {};
    }
    last_first = ops.front().expected_ordinal;
    LEADLINE_RETURN_IF_ERROR(committer_->Submit(collection, std::move(ops)).status());
  }
  return {};
}

void Maintenance::RunIntervalSync() {
  int64_t due = NowMs() + core_->options.interval_ms;
  MutexLock lock(&mutex_);
  while (!stopping_) {
    const int64_t left = due - NowMs();
    if (left > 0) {
      sync_wake_.WaitFor(&mutex_, left);
      continue;
    }
    due = NowMs() + core_->options.interval_ms;
    if (!core_->unsynced.exchange(false, std::memory_order_acq_rel)) {
      continue;
    }
    mutex_.Unlock();
    // A failed sync latches the store, so the next write reports it.
    NoThrow([&] { return core_->store->SyncLog(); }).IgnoreError();
    mutex_.Lock();
  }
}

}  // namespace leadline::engine
