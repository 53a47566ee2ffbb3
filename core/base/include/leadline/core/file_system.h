#pragma once

/// The one door to files. RocksDB's files and segment files both go through it, so that tests can
/// simulate I/O errors, full disks and power cuts for both.
///
/// Durability rule of every implementation: bytes survive a power cut only after `Sync` of the
/// file, a name (create, rename, unlink) only after `Sync` of its directory.
///
/// Errors: kNotFound (no such path), kAlreadyExists, kPermissionDenied (EACCES, EROFS, EPERM),
/// kResourceExhausted (ENOSPC, EDQUOT, EFBIG), kFailedPrecondition (lock held by another
/// process), kUnavailable (other I/O errors). Messages carry operation, path and errno text.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/status.h"

namespace leadline {

/// Reads a file front to back. Externally synchronised.
class SequentialFile {
 public:
  virtual ~SequentialFile() = default;
  /// Reads up to `n` bytes into `scratch`; returns the bytes read, empty at the end of the file.
  virtual Result<std::string_view> Read(size_t n, char* scratch) = 0;
  virtual Status Skip(uint64_t n) = 0;
};

/// Reads a file at any offset. Thread-safe.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;
  /// Reads up to `n` bytes at `offset` into `scratch`; fewer only at the end of the file.
  virtual Result<std::string_view> Read(uint64_t offset, size_t n, char* scratch) const = 0;
};

/// Appends to a file. Externally synchronised. Nothing is buffered in the process: an `Append`
/// that returned is in the system's page cache.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual Status Append(std::string_view data) = 0;
  /// Writes at `offset` without moving the append position.
  virtual Status PositionedAppend(std::string_view data, uint64_t offset) = 0;
  virtual Status Truncate(uint64_t size) = 0;

  /// Lets the device begin with what was appended, so that Sync has less to wait for. Promises
  /// nothing.
  virtual void StartWriting() {}

  /// Makes all appended bytes durable (fdatasync or stronger).
  virtual Status Sync() = 0;
  virtual Status Close() = 0;
  [[nodiscard]] virtual uint64_t size() const = 0;
};

/// Reads and writes at any offset. Externally synchronised.
class RandomRwFile {
 public:
  virtual ~RandomRwFile() = default;
  virtual Result<std::string_view> Read(uint64_t offset, size_t n, char* scratch) const = 0;
  virtual Status Write(uint64_t offset, std::string_view data) = 0;
  virtual Status Sync() = 0;
  virtual Status Close() = 0;
};

/// An open directory; `Sync` makes creates, renames and unlinks in it durable.
class Directory {
 public:
  virtual ~Directory() = default;
  virtual Status Sync() = 0;
};

/// Read-only view of a whole file; unmapped on destruction. Immutable. The pages of a file that is
/// unlinked while mapped stay readable.
class MappedFile {
 public:
  virtual ~MappedFile() = default;
  [[nodiscard]] virtual const uint8_t* data() const = 0;
  [[nodiscard]] virtual size_t size() const = 0;
};

/// An advisory whole-file lock, released on destruction.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

/// Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<SequentialFile>> NewSequentialFile(const std::string& path) = 0;
  virtual Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(
      const std::string& path) = 0;
  /// Creates the file, or truncates an existing one.
  virtual Result<std::unique_ptr<WritableFile>> NewWritableFile(const std::string& path) = 0;
  /// Opens for appending; creates a missing file.
  virtual Result<std::unique_ptr<WritableFile>> NewAppendableFile(const std::string& path) = 0;
  virtual Result<std::unique_ptr<RandomRwFile>> NewRandomRwFile(const std::string& path) = 0;
  virtual Result<std::unique_ptr<Directory>> OpenDirectory(const std::string& path) = 0;
  virtual Result<std::unique_ptr<MappedFile>> MapFile(const std::string& path) = 0;

  virtual Status FileExists(const std::string& path) = 0;
  /// Names (not paths) in `path` without "." and "..", in no particular order.
  virtual Result<std::vector<std::string>> ListDirectory(const std::string& path) = 0;
  virtual Status DeleteFile(const std::string& path) = 0;
  virtual Status TruncateFile(const std::string& path, uint64_t size) = 0;
  /// kAlreadyExists when the directory is there.
  virtual Status CreateDirectory(const std::string& path) = 0;
  virtual Status DeleteDirectory(const std::string& path) = 0;
  virtual Result<uint64_t> FileSize(const std::string& path) = 0;
  virtual Result<bool> IsDirectory(const std::string& path) = 0;
  /// False for directories, pipes, sockets and devices: opening or reading those may block.
  virtual Result<bool> IsRegularFile(const std::string& path);
  /// Seconds since the epoch of the last change of contents.
  virtual Result<uint64_t> ModificationTime(const std::string& path) = 0;
  virtual Status RenameFile(const std::string& from, const std::string& to) = 0;
  virtual Status LinkFile(const std::string& from, const std::string& to) = 0;
  /// Creates and locks `path`; kFailedPrecondition when another holder (this process included) has
  /// it.
  virtual Result<std::unique_ptr<FileLock>> LockFile(const std::string& path) = 0;
  /// Bytes an unprivileged process may still write below `path`.
  virtual Result<uint64_t> FreeSpace(const std::string& path) = 0;
  virtual Result<std::string> AbsolutePath(const std::string& path) = 0;

  /// The system's files; lives for the whole process.
  static FileSystem* Posix();
};

/// Reads a whole file of at most `max_bytes` (kResourceExhausted beyond it).
Result<std::string> ReadFileToString(FileSystem* fs, const std::string& path, uint64_t max_bytes);
/// Replaces `path` durably: writes `path`.tmp, syncs it, renames it, syncs the directory.
Status WriteFileAtomically(FileSystem* fs, const std::string& path, std::string_view contents);
/// Directory part of `path`, "." where there is none.
std::string DirectoryName(const std::string& path);
/// `directory` + "/" + `name`.
std::string JoinPath(std::string_view directory, std::string_view name);
/// Creates `path` and its missing parents.
Status CreateDirectories(FileSystem* fs, const std::string& path);
/// The same; the names of what it created are durable on return.
Status CreateDirectoriesDurably(FileSystem* fs, const std::string& path);
/// Makes creates, renames and unlinks in `path` durable.
Status SyncDirectory(FileSystem* fs, const std::string& path);
/// Deletes `path` and everything below it; OK when it does not exist. Follows no symbolic link.
/// Reports the first thing it could not delete and stops there.
Status DeleteRecursively(FileSystem* fs, const std::string& path);

}  // namespace leadline
