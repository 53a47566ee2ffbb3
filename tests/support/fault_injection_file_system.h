#pragma once

/// A FileSystem whose operations fail on demand.
///
///   FaultInjectionFileSystem fs(FileSystem::Posix());
///   for (uint64_t n = 1;; ++n) {
///     fs.Arm({.ops = FileOp::kWrite | FileOp::kSync, .nth = n, .sticky = true});
///     RunScenario(&fs);          // every call may fail, nothing may abort or lie
///     const bool fired = fs.Disarm() > 0;
///     CheckWithoutFaults();
///     if (!fired) break;         // n is past the last operation
///   }
///
/// `SetByteBudget` simulates a full disk; `set_skip_sync` turns syncs into no-ops, which makes
/// tests quick that copy the live directory and need no durability.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"

namespace leadline::testing {

/// Kinds of operations, to be combined with |.
enum class FileOp : uint32_t {
  kOpenRead = 1U << 0,   ///< sequential, random, mapped, and opening a directory
  kOpenWrite = 1U << 1,  ///< creating or opening a file for writing
  kRead = 1U << 2,
  kWrite = 1U << 3,  ///< append, positioned append, random write
  kSync = 1U << 4,
  kDirectorySync = 1U << 5,
  kRename = 1U << 6,
  kDelete = 1U << 7,  ///< files and directories
  kTruncate = 1U << 8,
  kCreateDirectory = 1U << 9,
  kLink = 1U << 10,
  kLock = 1U << 11,
  kLookup = 1U << 12,  ///< exists, list, size, times, free space
};

struct FileOps {
  uint32_t bits = 0;

  FileOps() = default;

  FileOps(FileOp op) : bits(static_cast<uint32_t>(op)) {}  // NOLINT(google-explicit-constructor)

  explicit FileOps(uint32_t b) : bits(b) {}

  [[nodiscard]] bool has(FileOp op) const { return (bits & static_cast<uint32_t>(op)) != 0; }

  friend FileOps operator|(FileOps a, FileOps b) { return FileOps(a.bits | b.bits); }
};

inline FileOps operator|(FileOp a, FileOp b) {
  return FileOps(a) | FileOps(b);
}

/// Everything that changes the disk.
inline FileOps MutatingOps() {
  return FileOp::kOpenWrite | FileOp::kWrite | FileOp::kSync | FileOp::kDirectorySync |
         FileOp::kRename | FileOp::kDelete | FileOp::kTruncate | FileOp::kCreateDirectory |
         FileOp::kLink;
}

struct FaultPlan {
  FileOps ops;
  uint64_t nth = 1;                            ///< counted from 1 over operations in `ops`
  bool sticky = false;                         ///< every later one in `ops` fails too
  StatusCode code = StatusCode::kUnavailable;  ///< of the injected error
  bool short_write = false;                    ///< a failing write leaves half of its bytes
  std::string path_contains;                   ///< only paths with this text count
};

/// Decides about one operation. Thread-safe.
class FaultSource {
 public:
  void Arm(FaultPlan plan);
  /// Ends the plan; returns how many operations it made fail.
  uint64_t Disarm();
  [[nodiscard]] uint64_t seen() const;
  void SetByteBudget(std::optional<uint64_t> bytes);

  /// OK, or the injected error.
  Status Check(FileOp op, const std::string& path);
  /// As Check for a write of `bytes`; `*written` says how many of them reach the file.
  Status CheckWrite(const std::string& path, size_t bytes, size_t* written);

 private:
  Status CheckLocked(FileOp op, const std::string& path) LEADLINE_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::optional<FaultPlan> plan_ LEADLINE_GUARDED_BY(mutex_);
  uint64_t seen_ LEADLINE_GUARDED_BY(mutex_) = 0;
  uint64_t fired_ LEADLINE_GUARDED_BY(mutex_) = 0;
  std::optional<uint64_t> budget_ LEADLINE_GUARDED_BY(mutex_);
};

/// Wraps `target`. Thread-safe. Must outlive every file opened through it.
class FaultInjectionFileSystem final : public FileSystem {
 public:
  explicit FaultInjectionFileSystem(FileSystem* target) : target_(target) {}

  /// Starts counting anew under `plan`.
  void Arm(FaultPlan plan) { faults_.Arm(std::move(plan)); }

  /// Stops injecting; returns how many operations failed.
  uint64_t Disarm() { return faults_.Disarm(); }

  /// Operations in the armed plan's `ops` so far.
  [[nodiscard]] uint64_t seen() const { return faults_.seen(); }

  /// Writes beyond `bytes` more fail with kResourceExhausted, the last one short; nullopt lifts it.
  void SetByteBudget(std::optional<uint64_t> bytes) { faults_.SetByteBudget(bytes); }

  /// Set before any file is opened.
  void set_skip_sync(bool skip) { skip_sync_ = skip; }

  Result<std::unique_ptr<SequentialFile>> NewSequentialFile(const std::string& path) override;
  Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> NewWritableFile(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> NewAppendableFile(const std::string& path) override;
  Result<std::unique_ptr<RandomRwFile>> NewRandomRwFile(const std::string& path) override;
  Result<std::unique_ptr<Directory>> OpenDirectory(const std::string& path) override;
  Result<std::unique_ptr<MappedFile>> MapFile(const std::string& path) override;
  Status FileExists(const std::string& path) override;
  Result<std::vector<std::string>> ListDirectory(const std::string& path) override;
  Status DeleteFile(const std::string& path) override;
  Status TruncateFile(const std::string& path, uint64_t size) override;
  Status CreateDirectory(const std::string& path) override;
  Status DeleteDirectory(const std::string& path) override;
  Result<uint64_t> FileSize(const std::string& path) override;
  Result<bool> IsDirectory(const std::string& path) override;
  Result<uint64_t> ModificationTime(const std::string& path) override;
  Status RenameFile(const std::string& from, const std::string& to) override;
  Status LinkFile(const std::string& from, const std::string& to) override;
  Result<std::unique_ptr<FileLock>> LockFile(const std::string& path) override;
  Result<uint64_t> FreeSpace(const std::string& path) override;
  Result<std::string> AbsolutePath(const std::string& path) override;

 private:
  FileSystem* const target_;
  FaultSource faults_;
  bool skip_sync_ = false;
};

}  // namespace leadline::testing
