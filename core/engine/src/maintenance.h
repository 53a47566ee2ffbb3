#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <thread>

#include "compaction_policy.h"
#include "database_core.h"
#include "leadline/core/types.h"

namespace leadline::engine {

/// Background work of one writable database: sealing, merging, rebuilding, the interval log sync.
/// Everything it does may be abandoned at any point without effect. Thread-safe.
class Maintenance {
 public:
  explicit Maintenance(std::shared_ptr<DatabaseCore> core);
  ~Maintenance();
  Maintenance(const Maintenance&) = delete;
  Maintenance& operator=(const Maintenance&) = delete;

  /// Says that something changed; cheap.
  void Wake();
  /// Blocks while the collection's tail is far ahead of sealing.
  void ThrottleWriter(const CollectionState& collection);
  /// Builds until PickOptimizeBuild has nothing more.
  Status Optimize(const std::shared_ptr<CollectionState>& collection,
                  const std::function<void(std::string_view, double)>& progress,
                  const CancelToken* cancel);
  /// Cancels running builds and joins.
  void Stop();

 private:
  void Run();
  void RunIntervalSync();
  bool RunOne(const std::shared_ptr<CollectionState>& collection);
  Status Build(const std::shared_ptr<CollectionState>& collection,
               const std::function<std::optional<BuildRange>(const ReadState&)>& pick,
               const std::function<void(std::string_view, double)>& progress,
               const CancelToken* cancel, bool* built);

  const std::shared_ptr<DatabaseCore> core_;
  std::unique_ptr<Executor> build_executor_;
  /// One build at a time: builds are the memory and CPU bound of background work.
  Mutex build_mutex_;
  CancelToken stop_;
  Mutex mutex_;
  CondVar wake_;
  CondVar progressed_;
  bool pending_ LEADLINE_GUARDED_BY(mutex_) = true;
  bool stopping_ LEADLINE_GUARDED_BY(mutex_) = false;
  std::thread worker_;
  std::thread syncer_;
};

}  // namespace leadline::engine
