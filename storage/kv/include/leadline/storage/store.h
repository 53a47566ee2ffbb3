#pragma once

/// The durable truth: one RocksDB with fixed tables, opened with options that are fixed in code.
/// Nothing above this header knows RocksDB. Keys and values are opaque bytes here; the engine owns
/// their layout (storage/FORMAT.md, "Tables").

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "leadline/core/clock.h"
#include "leadline/core/file_system.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"

namespace leadline::kv {

/// Column families. Values are positions in the on-disk set: append only, never reorder.
enum class Table : uint8_t {
  kMeta = 0,        ///< catalog, counters, sequence, segment entries
  kRecords = 1,     ///< collection, ordinal -> record
  kVectors = 2,     ///< collection, field, ordinal -> f32 row, large ones in blob files
  kLocations = 3,   ///< collection, id -> ordinal
  kTombstones = 4,  ///< collection, dead ordinal -> sequence that killed it
};
inline constexpr size_t kTableCount = 5;

/// How much free space a write needs.
enum class Admission : uint8_t {
  kNormal,  ///< min_free_bytes must stay free
  kShrink,  ///< deletes only: let through down to a quarter of it, so that a full disk can be freed
};

struct StoreOptions {
  FileSystem* fs = nullptr;  ///< null means FileSystem::Posix()
  Clock* clock = nullptr;    ///< null means Clock::System()
  bool create_if_missing = false;
  bool read_only = false;  ///< takes no lock, writes no byte, works on a read-only file system
  /// Key in Table::kMeta whose 8-byte little-endian value is the engine's last committed sequence;
  /// compared at open with the durable low-water mark to catch a truncated or rolled-back log.
  std::string sequence_key;
  /// Writes fail with kResourceExhausted while less than this is free (RocksDB must never meet a
  /// full disk: its assertions abort the process).
  uint64_t min_free_bytes = uint64_t{64} << 20;
  uint64_t write_buffer_bytes = uint64_t{32} << 20;
  /// Repair only: open with everything up to the first damaged log record, dropping the rest.
  bool accept_log_loss = false;
};

/// Where opening with `accept_log_loss` cut a damaged log.
struct LogCut {
  std::string path;
  uint64_t offset = 0;         ///< the log counts up to here
  uint64_t dropped_bytes = 0;  ///< after that, later logs included
};

/// A frozen view of the whole store. Immutable, thread-safe; release before the Store closes, or
/// the lock stays held until then.
class StoreSnapshot {
 public:
  virtual ~StoreSnapshot() = default;
};

/// Changes applied together. Thread-compatible. Buffers are copied in.
class WriteBatch {
 public:
  WriteBatch();
  ~WriteBatch();
  WriteBatch(const WriteBatch&) = delete;
  WriteBatch& operator=(const WriteBatch&) = delete;
  WriteBatch(WriteBatch&&) noexcept;
  WriteBatch& operator=(WriteBatch&&) noexcept;

  void Put(Table table, std::string_view key, std::string_view value);
  void Delete(Table table, std::string_view key);
  /// Deletes every key in [begin, end).
  void DeleteRange(Table table, std::string_view begin, std::string_view end);
  void Clear();
  [[nodiscard]] size_t size_bytes() const;
  [[nodiscard]] size_t count() const;

 private:
  friend class StoreImpl;
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

/// Walks the keys of one table that start with a prefix, in ascending byte order. Sees one moment.
/// A new one stands at the first key. Thread-compatible. Keeps the files open, and so the lock,
/// until it is destroyed, also past the end of the Store.
class Iterator {
 public:
  virtual ~Iterator() = default;
  [[nodiscard]] virtual bool Valid() const = 0;
  /// First key >= `key` that still has the prefix.
  virtual void Seek(std::string_view key) = 0;
  virtual void Next() = 0;
  [[nodiscard]] virtual std::string_view key() const = 0;
  [[nodiscard]] virtual std::string_view value() const = 0;
  /// Look here after Valid() turns false: damage ends an iteration too.
  [[nodiscard]] virtual Status status() const = 0;
};

struct StoreStats {
  uint64_t disk_bytes = 0;  ///< SST, blob and log files
  uint64_t log_syncs = 0;   ///< fsyncs of the log since open
};

/// Thread-safe. A handle that crossed a fork answers kFailedPrecondition in the child.
class Store {
 public:
  virtual ~Store() = default;

  /// Opens `directory`. Errors: kNotFound (missing, create_if_missing false); kFailedPrecondition
  /// (another writer; message names its pid and host); kDataLoss (damaged log or table file, names
  /// file and offset and says what `leadline repair` can do; or sequence below the low-water mark);
  /// kUnimplemented (written by a newer format).
  static Result<std::unique_ptr<Store>> Open(const std::string& directory,
                                             const StoreOptions& options);

  /// Applies `batch` atomically. With `sync` it is on stable storage when this returns OK, else in
  /// the system's page cache. After the first failed write the store is latched: every later write
  /// fails with kFailedPrecondition until it is reopened, and with kDataLoss after a flush or
  /// compaction that met damage. A write that an exception interrupted, and that may be in the log,
  /// is kFailedPrecondition itself. kResourceExhausted from the free-space watermark does not latch
  /// and changes nothing. One batch is written by one thread at a time.
  virtual Status Write(const WriteBatch& batch, bool sync, Admission admission) = 0;

  Status Write(const WriteBatch& batch, bool sync) {
    return Write(batch, sync, Admission::kNormal);
  }

  /// Makes every earlier Write durable.
  virtual Status SyncLog() = 0;

  /// Absent key: nullopt. `snapshot` null reads the newest state.
  virtual Result<std::optional<std::string>> Get(Table table, std::string_view key,
                                                 const StoreSnapshot* snapshot = nullptr) = 0;
  /// One result per key, in order.
  virtual Result<std::vector<std::optional<std::string>>> MultiGet(
      Table table, const std::vector<std::string>& keys,
      const StoreSnapshot* snapshot = nullptr) = 0;
  virtual std::unique_ptr<Iterator> NewIterator(Table table, std::string_view prefix,
                                                const StoreSnapshot* snapshot = nullptr) = 0;
  virtual std::shared_ptr<const StoreSnapshot> NewSnapshot() = 0;

  /// Moves memtables to table files; the log becomes empty.
  virtual Status Flush() = 0;
  /// Rewrites one table so that deleted data leaves the disk. RocksDB does this by itself in time;
  /// tests make it happen at the moment that they are about.
  virtual Status Compact(Table table) = 0;
  /// Reads everything and compares all checksums; kDataLoss names the first bad file. `watch` (may
  /// be empty) is told the bytes read so far, before each read of a table or blob file (1 MiB or
  /// so) and before each log; an error that it gives ends the call and is its answer.
  virtual Status VerifyChecksums(const std::function<Status(uint64_t done_bytes)>& watch = {}) = 0;
  /// The same for table files alone, without blobs and logs.
  virtual Status VerifyTables(const std::function<Status(uint64_t done_bytes)>& watch = {}) = 0;
  /// Records `sequence` durably as a floor for the next open (called after a seal and at close).
  virtual Status AdvanceLowWater(uint64_t sequence) = 0;
  virtual Result<StoreStats> Stats() = 0;
  /// Cheap value that changes whenever the on-disk state of a database may have changed; lets
  /// readers skip a Refresh.
  static Result<uint64_t> Fingerprint(FileSystem* fs, const std::string& directory);
  /// The cut that opening made; nullopt where it needed none.
  [[nodiscard]] virtual std::optional<LogCut> log_cut() const = 0;
  /// OK, or the error that latched the store.
  [[nodiscard]] virtual Status Health() const = 0;
  /// Flushes, records the low-water mark and closes. Further calls fail. The destructor closes
  /// without reporting errors.
  virtual Status Close() = 0;
};

}  // namespace leadline::kv
