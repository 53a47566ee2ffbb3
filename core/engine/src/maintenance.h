#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>

#include "committer.h"
#include "compaction_policy.h"
#include "database_core.h"
#include "leadline/core/types.h"
#include "memory_claim.h"
#include "publisher.h"

namespace leadline::engine {

/// Background work of one writable database: sealing, merging, rebuilding, deleting what expired,
/// the interval log sync. Everything it does may be abandoned at any point without effect.
/// Thread-safe.
///
/// Sealing and building have a thread each: writers wait for sealing, and a merge may take an hour.
/// One of each runs at a time, foreground calls included, which bounds memory and CPU.
class Maintenance {
 public:
  using Progress = std::function<void(std::string_view, double)>;

  /// `committer` must outlive this.
  Maintenance(std::shared_ptr<DatabaseCore> core, Committer* committer);
  /// Starts the threads. Throws what std::thread throws.
  void Start();
  ~Maintenance();
  Maintenance(const Maintenance&) = delete;
  Maintenance& operator=(const Maintenance&) = delete;

  /// Says that the collection grew; wakes the sealer when the tail is past a cap. Cheap.
  void TailGrew(CollectionState* collection);
  /// Holds a writer back while the collection's tail is many times past a cap. kResourceExhausted
  /// at once when sealing fails (the message says why), and after kThrottleLimitMs anyway.
  Status ThrottleWriter(const CollectionState& collection);
  /// Lets rows of `bytes` in, as far as the memory budget goes: the claim stands for them until
  /// they are in the tail. Else has tails sealed and waits, like ThrottleWriter, where there is
  /// background maintenance. kResourceExhausted names memory_budget_bytes and what was needed.
  Result<MemoryClaim> AdmitRows(const CollectionState& collection, uint64_t bytes);
  /// Seals what was written before the call and builds until PickOptimizeBuild has nothing more.
  /// Stopped by `control` or by Stop, also while it waits for its turn.
  Status Optimize(const std::shared_ptr<CollectionState>& collection, const Progress& progress,
                  CallControl control);
  /// Cancels running builds, those of Optimize too, and waits for them.
  void Stop();

  static constexpr int64_t kThrottleLimitMs = 30'000;

 private:
  enum Job : uint8_t { kSeal = 0, kBuild = 1 };

  void RunSealer();
  void SealWhereDue();
  void RunBuilder();
  void BuildWhereDue();
  void RunIntervalSync();
  /// False when it is time to stop.
  bool WaitForWork(bool* pending);
  /// Nobody has added to the collection for options.seal_idle_ms.
  [[nodiscard]] bool IsIdle(const CollectionState& collection) const;
  /// One background build; true when something was published.
  bool RunOne(Job job, const std::shared_ptr<CollectionState>& collection, const PickBuild& pick);
  /// Reads every segment once, so that a damaged one is known.
  static Status VerifySegments(const ReadState& state, const CallControl& control);
  /// Deletes expired records of the collection through the commit path.
  Status DeleteExpired(const std::shared_ptr<CollectionState>& collection,
                       const CallControl& control);
  /// Removes the idempotency entries of the database that are too old.
  Status PruneIdempotencyEntries(const CallControl& control);
  Status Build(Job job, const std::shared_ptr<CollectionState>& collection, const PickBuild& pick,
               const Progress& progress, const CallControl& control, bool* built);
  /// Build in its turn.
  Status BuildPicked(const std::shared_ptr<CollectionState>& collection, const PickBuild& pick,
                     const Progress& progress, const CallControl& control, bool* built);
  Status BuildAndPublish(CollectionState* collection, const PickBuild& pick,
                         const Progress& progress, const CallControl& control, uint64_t* lane,
                         bool* built);
  Status CheckSpace(const CollectionState& collection, const BuildRange& range) const;
  Status TakeTurn(Job job, const CallControl& control);
  void EndTurn(Job job);

  const std::shared_ptr<DatabaseCore> core_;
  Committer* const committer_;
  std::unique_ptr<Executor> build_executor_;
  CancelToken stop_;
  Mutex mutex_;
  CondVar wake_;
  CondVar progressed_;  ///< a build or a turn ended
  bool seal_pending_ LEADLINE_GUARDED_BY(mutex_) = true;
  std::atomic<bool> short_of_memory_{false};  ///< a writer waits for any tail to be sealed
  std::atomic<uint64_t> claimed_bytes_{0};
  bool build_pending_ LEADLINE_GUARDED_BY(mutex_) = true;
  bool stopping_ LEADLINE_GUARDED_BY(mutex_) = false;
  std::array<bool, 2> running_ LEADLINE_GUARDED_BY(mutex_) = {false, false};
  CondVar sync_wake_;
  std::thread sealer_;
  std::thread builder_;
  std::thread syncer_;
};

}  // namespace leadline::engine
