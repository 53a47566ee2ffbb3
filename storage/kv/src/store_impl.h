#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "free_space.h"
#include "latch.h"
#include "leadline/core/mutex.h"
#include "leadline/storage/store.h"
#include "low_water.h"
#include "store_core.h"

namespace leadline::kv {

/// Store over RocksDB. Thread-safe: calls share `mutex_`, Close takes it alone. Every call checks
/// for a fork before it touches a lock.
class StoreImpl final : public Store {
 public:
  StoreImpl(std::string directory, const StoreOptions& options, std::shared_ptr<StoreCore> core,
            std::shared_ptr<Latch> latch);
  StoreImpl(const StoreImpl&) = delete;
  StoreImpl& operator=(const StoreImpl&) = delete;
  ~StoreImpl() override;

  using Store::Write;
  Status Write(const WriteBatch& batch, bool sync, Admission admission) override;
  Status SyncLog() override;
  Result<std::optional<std::string>> Get(Table table, std::string_view key,
                                         const StoreSnapshot* snapshot) override;
  Result<std::vector<std::optional<std::string>>> MultiGet(Table table,
                                                           const std::vector<std::string>& keys,
                                                           const StoreSnapshot* snapshot) override;
  std::unique_ptr<Iterator> NewIterator(Table table, std::string_view prefix,
                                        const StoreSnapshot* snapshot) override;
  std::shared_ptr<const StoreSnapshot> NewSnapshot() override;
  Status Flush() override;
  Status Compact(Table table) override;
  Status VerifyChecksums(const std::function<Status(uint64_t done_bytes)>& watch) override;
  Status VerifyTables(const std::function<Status(uint64_t done_bytes)>& watch) override;
  Status AdvanceLowWater(uint64_t sequence) override;
  Result<StoreStats> Stats() override;

  [[nodiscard]] std::optional<LogCut> log_cut() const override { return log_cut_; }

  [[nodiscard]] Status Health() const override;
  Status Close() override;

  /// Value of StoreOptions::sequence_key, 0 when there is none.
  Result<uint64_t> StoredSequence();
  /// Part of opening: compares the stored sequence with the low-water mark of the directory.
  Status CheckLowWater();
  /// Closes without writing anything more.
  void Abandon();

 private:
  Status CheckReadable() const LEADLINE_REQUIRES_SHARED(mutex_);
  Status CheckWritable() const LEADLINE_REQUIRES_SHARED(mutex_);
  Status FlushTables() LEADLINE_REQUIRES_SHARED(mutex_);
  Status VerifyLogs(ReadWatch* watch) LEADLINE_REQUIRES_SHARED(mutex_);
  Status SyncLogLocked() LEADLINE_REQUIRES_SHARED(mutex_);
  void AdvanceMark(uint64_t covered) LEADLINE_REQUIRES_SHARED(mutex_);
  Status AdvanceLowWaterLocked(uint64_t sequence) LEADLINE_REQUIRES_SHARED(mutex_);
  Result<uint64_t> StoredSequenceLocked() LEADLINE_REQUIRES_SHARED(mutex_);

  const std::string directory_;
  const StoreOptions options_;
  const std::optional<LogCut> log_cut_;
  const ForkGuard fork_;
  const std::shared_ptr<Latch> latch_;
  FreeSpace free_space_;
  LowWater low_water_;
  mutable SharedMutex mutex_;
  std::shared_ptr<StoreCore> core_ LEADLINE_GUARDED_BY(mutex_);  ///< null once closed
};

}  // namespace leadline::kv
