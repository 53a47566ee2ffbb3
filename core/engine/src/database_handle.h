#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "background_reader.h"
#include "committer.h"
#include "database_core.h"
#include "leadline/core/mutex.h"
#include "maintenance.h"

namespace leadline::engine {

/// What Database and its Collections share: the present core and, for writers, the services over
/// it. Thread-safe.
class DatabaseHandle {
 public:
  static Result<std::shared_ptr<DatabaseHandle>> Open(const std::string& path,
                                                      const DatabaseOptions& options);
  ~DatabaseHandle();
  DatabaseHandle(const DatabaseHandle&) = delete;
  DatabaseHandle& operator=(const DatabaseHandle&) = delete;

  /// The present core; kFailedPrecondition after Close or in a forked child.
  Result<std::shared_ptr<DatabaseCore>> Core();
  /// The core for a change; kFailedPrecondition for read-only handles too.
  Result<std::shared_ptr<DatabaseCore>> WritableCore();

  /// REQUIRES: WritableCore() succeeded.
  [[nodiscard]] Committer& committer() { return *committer_; }

  [[nodiscard]] Maintenance& maintenance() { return *maintenance_; }

  [[nodiscard]] const DatabaseOptions& options() const { return options_; }

  Status Refresh();
  Status Close();

 private:
  void StartReader();

  DatabaseHandle(std::string path, DatabaseOptions options)
      : path_(std::move(path)), options_(options) {}

  const std::string path_;
  const DatabaseOptions options_;
  uint64_t fork_generation_ = 0;
  std::atomic<bool> closed_{false};
  Mutex mutex_;
  Mutex refresh_mutex_;
  std::shared_ptr<DatabaseCore> core_ LEADLINE_GUARDED_BY(mutex_);
  uint64_t fingerprint_ LEADLINE_GUARDED_BY(refresh_mutex_) = 0;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<Maintenance> maintenance_;
  std::unique_ptr<BackgroundReader> reader_;
};

}  // namespace leadline::engine
