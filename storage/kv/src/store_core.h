#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include <rocksdb/db.h>

#include "fork_guard.h"
#include "leadline/storage/store.h"
#include "rocksdb_file_system.h"
#include "sync_mark.h"

namespace leadline::kv {

/// The open RocksDB and what must outlive it. Shared by the store, its snapshots and iterators, so
/// a late release of one of those is safe. In a forked child the destructor leaks everything: a
/// RocksDB close would wait for threads that do not exist there.
struct StoreCore {
  StoreCore() = default;
  StoreCore(const StoreCore&) = delete;
  StoreCore& operator=(const StoreCore&) = delete;
  ~StoreCore();

  /// Closes the database and reports what its last writes answer. Nothing may use it afterwards.
  Status Shutdown();

  [[nodiscard]] rocksdb::ColumnFamilyHandle* table(Table table) const {
    return tables[static_cast<size_t>(table)];
  }

  const ForkGuard fork;
  std::unique_ptr<leadline::FileLock> lock;
  std::shared_ptr<RocksDbFileSystem> files;
  std::unique_ptr<SyncMark> mark;  ///< null when read-only
  std::optional<LogCut> log_cut;
  std::unique_ptr<rocksdb::Env> env;
  std::unique_ptr<rocksdb::DB> db;
  std::array<rocksdb::ColumnFamilyHandle*, kTableCount> tables{};
};

/// A RocksDB snapshot; a read-only store never changes and needs none.
class CoreSnapshot final : public StoreSnapshot {
 public:
  CoreSnapshot(std::shared_ptr<StoreCore> core, bool pin)
      : core_(std::move(core)), snapshot_(pin ? core_->db->GetSnapshot() : nullptr) {}

  CoreSnapshot(const CoreSnapshot&) = delete;
  CoreSnapshot& operator=(const CoreSnapshot&) = delete;
  ~CoreSnapshot() override;

  [[nodiscard]] const rocksdb::Snapshot* get() const { return snapshot_; }

 private:
  const std::shared_ptr<StoreCore> core_;
  const rocksdb::Snapshot* const snapshot_;
};

/// Read options at `snapshot`, or at the newest state when it is null.
rocksdb::ReadOptions ReadAt(const StoreSnapshot* snapshot);

/// An iterator over the keys of `table` that start with `prefix`, placed at the first.
std::unique_ptr<Iterator> MakeIterator(std::shared_ptr<StoreCore> core, Table table,
                                       std::string_view prefix, const StoreSnapshot* snapshot);
/// An iterator that has nothing but `error`.
std::unique_ptr<Iterator> MakeErrorIterator(Status error);

}  // namespace leadline::kv
