#include "maintenance.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "group_builder.h"
#include "publisher.h"

namespace leadline::engine {
namespace {

constexpr int64_t kIdleTickMs = 1000;
constexpr int64_t kThrottleTickMs = 50;
/// A writer waits while the tail is this many times past the point where sealing starts.
constexpr uint64_t kThrottleFactor = 8;

}  // namespace

Maintenance::Maintenance(std::shared_ptr<DatabaseCore> core) : core_(std::move(core)) {
  if (core_->options.background_threads > 1) {
    // The worker itself computes too.
    build_executor_ = NewThreadPool(core_->options.background_threads);
  }
  if (core_->options.background_maintenance) {
    worker_ = std::thread([this] { Run(); });
  }
  if (core_->options.durability == Durability::kInterval) {
    syncer_ = std::thread([this] { RunIntervalSync(); });
  }
}

Maintenance::~Maintenance() {
  Stop();
}

void Maintenance::Wake() {
  {
    MutexLock lock(&mutex_);
    pending_ = true;
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
  progressed_.NotifyAll();
  for (std::thread* thread : {&worker_, &syncer_}) {
    if (thread->joinable()) {
      thread->join();
    }
  }
}

void Maintenance::ThrottleWriter(const CollectionState& collection) {
  if (!core_->options.background_maintenance) {
    return;
  }
  const uint64_t limit = kThrottleFactor * core_->options.seal_rows;
  MutexLock lock(&mutex_);
  while (!stopping_ && collection.Load()->TailRows() > limit && core_->store->Health().ok()) {
    pending_ = true;
    wake_.NotifyAll();
    progressed_.WaitFor(&mutex_, kThrottleTickMs);
  }
}

void Maintenance::Run() {
  while (true) {
    {
      MutexLock lock(&mutex_);
      if (!pending_ && !stopping_) {
        wake_.WaitFor(&mutex_, kIdleTickMs);
      }
      if (stopping_) {
        return;
      }
      pending_ = false;
    }
    bool worked = false;
    for (const std::shared_ptr<CollectionState>& collection : core_->Collections()) {
      worked = RunOne(collection) || worked;
      progressed_.NotifyAll();
    }
    if (worked) {
      MutexLock lock(&mutex_);
      pending_ = true;
    }
  }
}

bool Maintenance::RunOne(const std::shared_ptr<CollectionState>& collection) {
  const auto pick = [&](const ReadState& state) {
    return PickBackgroundBuild(state, *collection, core_->options.seal_rows,
                               core_->options.seal_bytes);
  };
  bool built = false;
  // A failed build changes nothing; it is tried again at the next wake-up, and a sick store shows
  // in Health, in stats and in the next write.
  Build(collection, pick, {}, &stop_, &built).IgnoreError();
  return built;
}

Status Maintenance::Build(const std::shared_ptr<CollectionState>& collection,
                          const std::function<std::optional<BuildRange>(const ReadState&)>& pick,
                          const std::function<void(std::string_view, double)>& progress,
                          const CancelToken* cancel, bool* built) {
  *built = false;
  MutexLock lock(&build_mutex_);
  LEADLINE_ASSIGN_OR_RETURN(std::optional<PendingBuild> pending,
                            StartBuild(core_.get(), collection.get(), pick));
  if (!pending.has_value()) {
    return {};
  }
  pending->request.executor = build_executor_.get();
  pending->request.control.cancel = cancel;
  if (progress) {
    progress(pending->range.reason, 0);
    pending->request.progress = progress;
  }
  Result<GroupEntry> entry = BuildGroup(core_.get(), *collection, pending->request);
  Status status = entry.status();
  if (status.ok()) {
    status = PublishBuild(core_.get(), collection.get(), *pending, *entry);
  }
  if (!status.ok()) {
    AbandonBuild(core_.get(), collection.get());
    return status;
  }
  *built = true;
  // Losing the floor costs nothing but the detection of a truncated log.
  core_->store->AdvanceLowWater(pending->request.build_sequence).IgnoreError();
  return {};
}

Status Maintenance::Optimize(const std::shared_ptr<CollectionState>& collection,
                             const std::function<void(std::string_view, double)>& progress,
                             const CancelToken* cancel) {
  const auto pick = [&](const ReadState& state) { return PickOptimizeBuild(state, *collection); };
  bool built = true;
  while (built) {
    if (cancel != nullptr && cancel->cancelled()) {
      return CancelledError("optimize cancelled by its token");
    }
    LEADLINE_RETURN_IF_ERROR(
        Build(collection, pick, progress, cancel != nullptr ? cancel : &stop_, &built));
  }
  return {};
}

void Maintenance::RunIntervalSync() {
  while (true) {
    {
      MutexLock lock(&mutex_);
      if (!stopping_) {
        wake_.WaitFor(&mutex_, core_->options.interval_ms);
      }
      if (stopping_) {
        return;
      }
    }
    // A failed sync latches the store, so the next write reports it.
    core_->store->SyncLog().IgnoreError();
  }
}

}  // namespace leadline::engine
