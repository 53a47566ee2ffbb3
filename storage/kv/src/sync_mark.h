#pragma once

/// How far the write-ahead log and the manifest are known to be on stable storage. Damage before
/// that place is rot; behind it, it may be what a power cut left of writes that nobody was
/// promised.
///
/// The mark is overwritten in place after each sync and itself synced only when the store closes:
/// after a process crash it is exact, after a power cut it may be old, and an old mark only claims
/// less.
///
/// File "SYNCED", 56 bytes, little-endian:
///   0  4  magic "LLSM"
///   4  4  version, now 1
///   8  8  number of the log file
///  16  8  bytes of it that are durable
///  24  8  number of the manifest file
///  32  8  bytes of it that are durable
///  40  8  RocksDB sequence number up to which everything is durable
///  48  8  XXH3-64 of bytes 0..47

#include <cstdint>
#include <memory>
#include <string>

#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"
#include "rocksdb_file_system.h"

namespace leadline::kv {

struct SyncedState {
  SyncedFiles files;
  uint64_t sequence = 0;
};

/// The mark of one open store. Thread-safe.
class SyncMark {
 public:
  /// What the file claims; nothing when it is absent or unreadable.
  static SyncedState Read(FileSystem* fs, const std::string& directory);
  /// Opens the file for updates, creating it when missing.
  static Result<std::unique_ptr<SyncMark>> Open(FileSystem* fs, const std::string& directory);

  /// Raises the claim. An error is swallowed: the mark then claims less than it could.
  void Advance(const SyncedState& state);
  /// Replaces the claim durably, also by a lower one.
  Status Reset(const SyncedState& state);
  /// Makes the claim durable.
  Status Sync();

 private:
  SyncMark(std::unique_ptr<RandomRwFile> file, const SyncedState& state);

  Mutex mutex_;
  const std::unique_ptr<RandomRwFile> file_ LEADLINE_PT_GUARDED_BY(mutex_);
  SyncedState state_ LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace leadline::kv
