#pragma once

/// The durable floor under the engine's sequence: a log that was truncated or rolled back brings
/// the store back below it, and that must not pass silently. The file also carries the format
/// version of the store's directory.
///
/// File "LOWWATER", 32 bytes, little-endian:
///   0  8  magic "LLLOWWTR"
///   8  4  format version of the directory, now 1
///  12  4  zero
///  16  8  sequence
///  24  8  XXH3-64 of bytes 0..23

#include <cstdint>
#include <string>

#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"

namespace leadline::kv {

/// The low-water file of one store. Thread-safe.
class LowWater {
 public:
  /// `fs` must outlive this.
  LowWater(FileSystem* fs, const std::string& directory);

  /// Path of the file in a store's `directory`.
  static std::string Path(const std::string& directory);
  /// Sequence in the file. kNotFound (no file), kDataLoss (bytes are wrong), kUnimplemented (newer
  /// format).
  static Result<uint64_t> Read(FileSystem* fs, const std::string& directory);
  /// What its absence beside data means.
  static Status Missing(const std::string& directory);
  /// Replaces the file durably, whatever it held.
  static Status Write(FileSystem* fs, const std::string& directory, uint64_t sequence);

  /// Takes `sequence` as what the file holds.
  void Adopt(uint64_t sequence);
  /// Raises the floor durably; a lower or equal `sequence` changes nothing.
  Status Advance(uint64_t sequence);
  [[nodiscard]] uint64_t sequence() const;

 private:
  FileSystem* const fs_;
  const std::string directory_;
  mutable Mutex mutex_;
  uint64_t sequence_ LEADLINE_GUARDED_BY(mutex_) = 0;
};

}  // namespace leadline::kv
