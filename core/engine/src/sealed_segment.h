#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catalog.h"
#include "dead_rows.h"
#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"
#include "leadline/core/payload_columns.h"
#include "leadline/index/segment_index.h"
#include "leadline/storage/segment_file.h"

namespace leadline::engine {

/// What verified bytes of a segment file offer. Immutable, thread-safe.
struct SegmentContents {
  const uint64_t* ordinals = nullptr;    ///< [rows], ascending
  const uint64_t* sequences = nullptr;   ///< [rows]
  const int64_t* expiries = nullptr;     ///< [rows], null when no row expires
  const uint64_t* id_offsets = nullptr;  ///< [rows + 1] into id_bytes
  std::string_view id_bytes;
  MatrixView vectors;  ///< search form
  std::unique_ptr<index::SegmentIndex> index;
  std::unique_ptr<PayloadColumns> columns;

  [[nodiscard]] std::string_view id(size_t row) const {
    return id_bytes.substr(id_offsets[row], id_offsets[row + 1] - id_offsets[row]);
  }
};

/// One bit a row, kept for repeated filters.
struct RowMask {
  std::vector<uint64_t> words;
  uint64_t count = 0;
  uint64_t valid_from = 0;  ///< first sequence at which the mask holds
};

/// One segment file as the engine uses it: mapped at once, verified byte for byte on first use.
///
/// Until `Contents` succeeded no byte of the file's body is trusted. A file that is missing, has
/// another identity than the manifest says or fails verification is *damaged* from then on: its
/// rows are answered from the store, and it is rebuilt. Thread-safe.
class SealedSegment {
 public:
  /// Never fails: a bad file yields a damaged segment.
  static std::shared_ptr<SealedSegment> Open(FileSystem* fs, const std::string& directory,
                                             const FieldSegment& entry);

  [[nodiscard]] const FieldSegment& entry() const { return entry_; }

  [[nodiscard]] size_t rows() const { return static_cast<size_t>(entry_.info.rows); }

  /// Verifies on the first call. Null when damaged; `damage()` says why.
  [[nodiscard]] const SegmentContents* Contents() const;

  /// Contents if some call has verified them already, else null. Costs nothing.
  [[nodiscard]] const SegmentContents* LoadedContents() const {
    return contents_.load(std::memory_order_acquire);
  }

  [[nodiscard]] bool damaged() const { return damaged_.load(std::memory_order_acquire); }

  [[nodiscard]] Status damage() const;
  /// Row of `ordinal`, or rows() when absent. REQUIRES: Contents() != nullptr.
  [[nodiscard]] size_t FindRow(uint64_t ordinal) const;

  [[nodiscard]] DeadRows& dead() { return *dead_; }

  [[nodiscard]] const DeadRows& dead() const { return *dead_; }

  /// Rows alive at `sequence`; null when all of them are. Kept between calls.
  [[nodiscard]] std::shared_ptr<const RowMask> LiveMask(uint64_t sequence) const;
  /// Rows matched by a filter before, or null. `filter` is its canonical text.
  [[nodiscard]] std::shared_ptr<const RowMask> CachedFilter(const std::string& filter) const;
  void CacheFilter(const std::string& filter, std::shared_ptr<const RowMask> mask) const;

  /// The same file with its own, empty delete state: what a refreshed reader needs.
  [[nodiscard]] std::shared_ptr<SealedSegment> WithFreshDeletes() const;

  /// Deletes the file when the last holder lets go.
  void DeleteFileWhenUnused() { file_holder_->doomed.store(true, std::memory_order_release); }

  [[nodiscard]] std::string path() const { return file_holder_->path; }

 private:
  /// Shared by all SealedSegments over one file; its destructor removes a doomed file.
  struct FileHolder {
    FileSystem* fs = nullptr;
    std::string path;
    std::unique_ptr<segment::SegmentFile> file;
    std::atomic<bool> doomed{false};
    Mutex mutex;
    std::unique_ptr<SegmentContents> contents LEADLINE_GUARDED_BY(mutex);
    Status damage LEADLINE_GUARDED_BY(mutex);
    FileHolder() = default;
    FileHolder(const FileHolder&) = delete;
    FileHolder& operator=(const FileHolder&) = delete;
    ~FileHolder();
  };

  SealedSegment(std::shared_ptr<FileHolder> holder, const FieldSegment& entry);
  static Result<std::unique_ptr<SegmentContents>> Load(const segment::SegmentFile& file,
                                                       const FieldSegment& entry);

  static constexpr size_t kMaxCachedFilters = 16;

  const std::shared_ptr<FileHolder> file_holder_;
  const FieldSegment entry_;
  std::unique_ptr<DeadRows> dead_;
  mutable std::atomic<const SegmentContents*> contents_{nullptr};
  mutable std::atomic<bool> damaged_{false};

  mutable Mutex mask_mutex_;
  mutable std::shared_ptr<const RowMask> live_ LEADLINE_GUARDED_BY(mask_mutex_);
  mutable size_t live_dead_count_ LEADLINE_GUARDED_BY(mask_mutex_) = 0;
  mutable std::deque<std::pair<std::string, std::shared_ptr<const RowMask>>> filters_
      LEADLINE_GUARDED_BY(mask_mutex_);
};

/// Sets bits [0, rows) of a fresh mask.
std::vector<uint64_t> AllRows(size_t rows);
uint64_t CountBits(const std::vector<uint64_t>& words);

}  // namespace leadline::engine
