#pragma once

/// An in-memory disk that knows what a power cut may leave.
///
///   PowerCutFileSystem fs;
///   uint64_t acknowledged = 0;
///   fs.set_sync_hook([&](uint64_t k) {           // before the k-th sync takes effect, from 1
///     if (k == 17) {
///       image = fs.Cut(CutMode::kRandomSectors, seed);   // a second disk; fs itself goes on
///       promised = acknowledged;
///     }
///   });
///   ... run a workload on &fs, raising `acknowledged` after each call that returned OK ...
///   reopen on image.get(): all of `promised` must be there, what else is there is a prefix
///
/// Rules of the disk: bytes are durable after Sync of their file; names (create, rename, unlink)
/// after Sync of their directory, and not before, whatever was done to the file. Between syncs the
/// system may have written any of it: `Cut` picks by mode and seed. A renamed directory takes the
/// pending changes below it along as durable (simpler than any real disk, and kinder).
/// `Materialise` writes the disk into a real directory, for a look or for another process.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"
#include "leadline/core/rng.h"

namespace leadline::testing {

/// What happens to unsynced bytes and names at the cut.
enum class CutMode : uint8_t {
  kDropUnsynced,   ///< nothing unsynced is left
  kKeepAll,        ///< everything was written in time
  kRandomSectors,  ///< each unsynced 512-byte sector is kept or lost
  kRandomPages,    ///< the same with 4,096-byte pages
  kTornTail,       ///< files end somewhere in their unsynced part
  kZeroTail,       ///< files have their full size, zeros from somewhere in the unsynced part
  kLostNames,      ///< all bytes are kept, each unsynced name change is kept or lost
  kAnything,       ///< a mode drawn per file, name changes kept or lost
};
inline constexpr int kCutModes = 8;

/// Thread-safe. Must outlive every file opened through it.
class PowerCutFileSystem final : public FileSystem {
 public:
  PowerCutFileSystem();
  ~PowerCutFileSystem() override;

  /// A disk as the cut leaves it: everything on it is durable, no lock is held.
  std::unique_ptr<PowerCutFileSystem> Cut(CutMode mode, uint64_t seed);
  /// Writes the current contents of `directory` and below into the real directory `to`.
  void Materialise(const std::string& directory, const std::string& to);

  /// Called before each Sync of a file or directory with its number, from 1. Set while nothing
  /// runs. May call Cut.
  void set_sync_hook(std::function<void(uint64_t)> hook) { sync_hook_ = std::move(hook); }

  [[nodiscard]] uint64_t syncs() const;

  /// What FreeSpace answers; 1 TiB unless told.
  void set_free_space(uint64_t bytes);

  Result<std::unique_ptr<SequentialFile>> NewSequentialFile(const std::string& path) override;
  Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> NewWritableFile(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> NewAppendableFile(const std::string& path) override;
  Result<std::unique_ptr<RandomRwFile>> NewRandomRwFile(const std::string& path) override;
  Result<std::unique_ptr<Directory>> OpenDirectory(const std::string& path) override;
  /// A copy of the contents.
  Result<std::unique_ptr<MappedFile>> MapFile(const std::string& path) override;
  Status FileExists(const std::string& path) override;
  Result<std::vector<std::string>> ListDirectory(const std::string& path) override;
  Status DeleteFile(const std::string& path) override;
  Status TruncateFile(const std::string& path, uint64_t size) override;
  Status CreateDirectory(const std::string& path) override;
  Status DeleteDirectory(const std::string& path) override;
  Result<uint64_t> FileSize(const std::string& path) override;
  Result<bool> IsDirectory(const std::string& path) override;
  /// Counts changes of the disk instead of seconds, so that every change is seen.
  Result<uint64_t> ModificationTime(const std::string& path) override;
  Status RenameFile(const std::string& from, const std::string& to) override;
  Status LinkFile(const std::string& from, const std::string& to) override;
  Result<std::unique_ptr<FileLock>> LockFile(const std::string& path) override;
  Result<uint64_t> FreeSpace(const std::string& path) override;
  Result<std::string> AbsolutePath(const std::string& path) override;

 private:
  friend class PowerCutHandle;
  struct Node;
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  /// A change of names that no directory sync has made durable yet.
  struct NameChange {
    std::string removed;  ///< path that goes away; empty for a create
    std::string added;    ///< path that appears; empty for an unlink
    std::shared_ptr<Node> node;
  };

  /// Errors that find nothing: `path` or its parent.
  Result<std::shared_ptr<Node>> FindFile(const std::string& path) LEADLINE_REQUIRES(mutex_);
  Status CheckParent(const std::string& path) LEADLINE_REQUIRES(mutex_);
  Result<std::shared_ptr<Node>> Create(const std::string& path, bool truncate)
      LEADLINE_REQUIRES(mutex_);
  void Change(NameChange change) LEADLINE_REQUIRES(mutex_);
  /// Runs the hook, then makes `node` or the names in `directory` durable.
  Status SyncFile(const std::shared_ptr<Node>& node);
  Status SyncDirectory(const std::string& directory);
  void BeforeSync();

  static void Apply(const NameChange& change, Names* names);
  static std::string Leave(const Node& node, CutMode mode, Rng* rng);

  mutable Mutex mutex_;
  Names names_ LEADLINE_GUARDED_BY(mutex_);    ///< as programs see them, directories included
  Names durable_ LEADLINE_GUARDED_BY(mutex_);  ///< as the disk has them for sure
  std::vector<NameChange> pending_ LEADLINE_GUARDED_BY(mutex_);
  std::map<std::string, bool> locks_ LEADLINE_GUARDED_BY(mutex_);
  uint64_t changes_ LEADLINE_GUARDED_BY(mutex_) = 0;
  uint64_t syncs_ LEADLINE_GUARDED_BY(mutex_) = 0;
  uint64_t free_space_ LEADLINE_GUARDED_BY(mutex_) = uint64_t{1} << 40;
  std::function<void(uint64_t)> sync_hook_;
};

}  // namespace leadline::testing
