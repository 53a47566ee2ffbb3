#pragma once

/// Gives RocksDB its files through leadline::FileSystem, without a buffer of its own.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rocksdb/file_system.h>

#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"

namespace leadline::kv {

/// A place in the write-ahead log.
struct LogPosition {
  uint64_t number = 0;  ///< of the log file
  uint64_t bytes = 0;   ///< from its start

  friend bool operator<(const LogPosition& a, const LogPosition& b) {
    return a.number != b.number ? a.number < b.number : a.bytes < b.bytes;
  }
};

/// Files that RocksDB appends to and replays.
enum class LogKind : uint8_t {
  kWriteAhead,  ///< "000123.log"
  kManifest,    ///< "MANIFEST-000123"
};

struct LogName {
  LogKind kind = LogKind::kWriteAhead;
  uint64_t number = 0;
};

/// What the name in `path` says, or nothing for another kind of file.
std::optional<LogName> ParseLogName(std::string_view path);

/// Decides how much of each log file recovery may see. RocksDB opens the current manifest and then
/// exactly the live logs, in ascending order, so the gate never judges a file that is obsolete.
class LogGate {
 public:
  virtual ~LogGate() = default;
  /// Number of leading bytes that are sound, or the error that must stop recovery.
  virtual Result<uint64_t> Admit(const std::string& path, const LogName& name) = 0;
};

/// How far the replayed files are known to be on stable storage.
struct SyncedFiles {
  LogPosition log;
  LogPosition manifest;
};

/// While alive, `watch` (may be empty) is told how much RocksDB has read so far from tables and
/// blobs on this thread. Its first error fails that read and every later one, which ends a long
/// call of RocksDB. At most one on a thread; not for calls that remember a failed read.
class ReadWatch {
 public:
  using Watch = std::function<Status(uint64_t done_bytes)>;

  explicit ReadWatch(const Watch& watch);
  ReadWatch(const ReadWatch&) = delete;
  ReadWatch& operator=(const ReadWatch&) = delete;
  ~ReadWatch();

  /// The one that is alive on this thread, or null.
  static ReadWatch* Current();

  /// Asks before a read of `bytes`.
  Status Before(uint64_t bytes);

  /// The error of the watch, or OK.
  [[nodiscard]] const Status& stopped() const { return stopped_; }

 private:
  const Watch& watch_;
  uint64_t done_bytes_ = 0;
  Status stopped_;
};

/// Thread-safe, except where a comment says otherwise.
class RocksDbFileSystem final : public rocksdb::FileSystem {
 public:
  /// With `read_only` every call that would change a file is refused. `target` must outlive this.
  RocksDbFileSystem(leadline::FileSystem* target, bool read_only);
  RocksDbFileSystem(const RocksDbFileSystem&) = delete;
  RocksDbFileSystem& operator=(const RocksDbFileSystem&) = delete;
  ~RocksDbFileSystem() override;

  /// Installed while the database opens; null lets every log through. Not thread-safe.
  void set_log_gate(LogGate* gate) { gate_ = gate; }

  /// Keeps the file open for later size and NewRandomAccessFile calls, even when its name goes
  /// away.
  Status Pin(const std::string& path);

  /// Called after each sync of a manifest. Set while nothing runs; not thread-safe.
  void set_manifest_observer(std::function<void()> observer) {
    manifest_observer_ = std::move(observer);
  }

  [[nodiscard]] SyncedFiles synced() const;

  [[nodiscard]] uint64_t log_syncs() const { return log_syncs_.load(std::memory_order_relaxed); }

  /// `bytes` of the named file are durable.
  void NoteSync(const LogName& name, uint64_t bytes);

  const char* Name() const override { return "LeadlineFileSystem"; }

  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions&,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                      rocksdb::IODebugContext*) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions&,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                        rocksdb::IODebugContext*) override;
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext*) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* result,
                                       rocksdb::IODebugContext*) override;
  rocksdb::IOStatus NewRandomRWFile(const std::string& path, const rocksdb::FileOptions&,
                                    std::unique_ptr<rocksdb::FSRandomRWFile>* result,
                                    rocksdb::IODebugContext*) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions&,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext*) override;
  rocksdb::IOStatus FileExists(const std::string& path, const rocksdb::IOOptions&,
                               rocksdb::IODebugContext*) override;
  rocksdb::IOStatus GetChildren(const std::string& path, const rocksdb::IOOptions&,
                                std::vector<std::string>* result,
                                rocksdb::IODebugContext*) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions&,
                               rocksdb::IODebugContext*) override;
  rocksdb::IOStatus Truncate(const std::string& path, size_t size, const rocksdb::IOOptions&,
                             rocksdb::IODebugContext*) override;
  rocksdb::IOStatus CreateDir(const std::string& path, const rocksdb::IOOptions&,
                              rocksdb::IODebugContext*) override;
  rocksdb::IOStatus CreateDirIfMissing(const std::string& path, const rocksdb::IOOptions&,
                                       rocksdb::IODebugContext*) override;
  rocksdb::IOStatus DeleteDir(const std::string& path, const rocksdb::IOOptions&,
                              rocksdb::IODebugContext*) override;
  rocksdb::IOStatus GetFileSize(const std::string& path, const rocksdb::IOOptions&, uint64_t* size,
                                rocksdb::IODebugContext*) override;
  rocksdb::IOStatus GetFileModificationTime(const std::string& path, const rocksdb::IOOptions&,
                                            uint64_t* seconds, rocksdb::IODebugContext*) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions&, rocksdb::IODebugContext*) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                             const rocksdb::IOOptions&, rocksdb::IODebugContext*) override;
  rocksdb::IOStatus LockFile(const std::string& path, const rocksdb::IOOptions&,
                             rocksdb::FileLock** lock, rocksdb::IODebugContext*) override;
  rocksdb::IOStatus UnlockFile(rocksdb::FileLock* lock, const rocksdb::IOOptions&,
                               rocksdb::IODebugContext*) override;
  rocksdb::IOStatus GetTestDirectory(const rocksdb::IOOptions&, std::string* path,
                                     rocksdb::IODebugContext*) override;
  rocksdb::IOStatus GetAbsolutePath(const std::string& path, const rocksdb::IOOptions&,
                                    std::string* result, rocksdb::IODebugContext*) override;
  rocksdb::IOStatus IsDirectory(const std::string& path, const rocksdb::IOOptions&, bool* result,
                                rocksdb::IODebugContext*) override;

 private:
  struct PinnedFile {
    std::shared_ptr<leadline::RandomAccessFile> file;
    uint64_t bytes = 0;
  };

  /// The refusal of a read-only open, or OK.
  [[nodiscard]] Status CheckWritable(const std::string& path) const;
  [[nodiscard]] Status SyncDirectory(const std::string& path) const;
  rocksdb::IOStatus WrapWritable(Result<std::unique_ptr<leadline::WritableFile>> file,
                                 const std::string& path, const rocksdb::FileOptions& options,
                                 std::unique_ptr<rocksdb::FSWritableFile>* result);

  leadline::FileSystem* const target_;
  const bool read_only_;
  LogGate* gate_ = nullptr;
  std::function<void()> manifest_observer_;
  std::atomic<uint64_t> log_syncs_{0};
  mutable Mutex mutex_;
  SyncedFiles synced_ LEADLINE_GUARDED_BY(mutex_);
  std::map<std::string, PinnedFile> pinned_ LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace leadline::kv
