#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "leadline/core/file_system.h"
#include "leadline/storage/store.h"

namespace leadline::kv {

/// The free-space watermark: refuses a write before the disk is full. Asks the file system only
/// after enough bytes to matter were written, or at every write near the mark. Thread-safe.
class FreeSpace {
 public:
  /// `fs` must outlive this. A mark of 0 lets everything through.
  FreeSpace(FileSystem* fs, std::string directory, uint64_t min_free_bytes);

  /// OK, or kResourceExhausted when writing `bytes` more would leave less than the mark, or than
  /// its kShrinkShare where the write makes room. A file system that cannot tell is taken to have
  /// room.
  Status Admit(uint64_t bytes, Admission admission = Admission::kNormal);

  /// What only frees space is let through down to this share of the mark.
  static constexpr uint64_t kShrinkShare = 4;

 private:
  FileSystem* const fs_;
  const std::string directory_;
  const uint64_t min_free_bytes_;
  std::atomic<uint64_t> free_{0};     ///< at the last measurement
  std::atomic<uint64_t> written_{0};  ///< admitted since then
};

}  // namespace leadline::kv
