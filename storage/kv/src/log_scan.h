#pragma once

/// Reads a RocksDB log file (write-ahead log or manifest) without RocksDB, to tell a torn tail from
/// rot.
///
/// Format (RocksDB 7.8, legacy records): blocks of 32,768 bytes; a record is one or more fragments,
/// none of which crosses a block:
///   0  4  masked CRC-32C of the type byte and the payload
///   4  2  payload length
///   6  1  type: 1 full, 2 first, 3 middle, 4 last
///   7     payload
/// Fewer than 7 bytes at the end of a block are padding. The payload of a write-ahead log record is
/// a write batch: 8 bytes sequence number, 4 bytes count, then the changes.

#include <cstdint>
#include <string>

#include "leadline/core/file_system.h"
#include "rocksdb_file_system.h"

namespace leadline::kv {

/// What a scan found. Offsets are bytes from the start of the file.
struct LogScan {
  uint64_t file_bytes = 0;
  uint64_t sound_bytes = 0;     ///< end of the last record of the sound prefix
  uint64_t records = 0;         ///< in the sound prefix
  uint64_t first_sequence = 0;  ///< of the sound prefix; 0 when it holds no change
  uint64_t next_sequence = 0;   ///< what the record after the sound prefix must have; 0 = unknown

  bool damaged = false;        ///< bytes after `sound_bytes` are not a record
  std::string damage;          ///< what is wrong at `damage_offset`
  uint64_t damage_offset = 0;  ///< first fragment that is wrong, at or after `sound_bytes`
  /// The damage is what a lost write leaves: the file ends inside the record, or a 512-byte sector
  /// of the gap holds only zeros.
  bool looks_torn = false;
  bool record_follows = false;  ///< a whole, valid record lies after the damage
  uint64_t follower_offset = 0;
};

/// Scans `path`; a write-ahead log must have consecutive sequence
/// numbers, of a manifest only frames and checksums are judged. `expected_sequence` is that of the
/// first record, 0 when unknown. Fails only when the file cannot be read. Cost: one pass, 1 MiB of
/// memory.
Result<LogScan> ScanLog(FileSystem* fs, const std::string& path, LogKind kind,
                        uint64_t expected_sequence);

/// The same for the first `bytes` bytes of an open file.
Result<LogScan> ScanOpenLog(const RandomAccessFile* file, uint64_t bytes, LogKind kind,
                            uint64_t expected_sequence);

}  // namespace leadline::kv
