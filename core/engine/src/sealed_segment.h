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
#include "kept_sections.h"
#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"
#include "leadline/index/filter_slot.h"
#include "leadline/index/search_curve.h"
#include "leadline/storage/segment_file.h"
#include "segment_contents.h"

namespace leadline::engine {

/// One bit a row, kept for repeated filters.
struct RowMask {
  std::vector<uint64_t> words;
  uint64_t count = 0;
  uint64_t valid_from = 0;             ///< first sequence at which the mask holds
  mutable index::FilterSlot prepared;  ///< what the segment's index makes of it
};

/// Sizes of what searches read of a segment file.
struct SectionBytes {
  uint64_t vectors = 0;
  uint64_t codes = 0;
  uint64_t links = 0;
};

/// One segment file as the engine uses it: mapped at once, verified byte for byte on first use.
///
/// Until `Contents` succeeded no byte of the file's body is trusted, and vectors perhaps only row
/// by row (SegmentContents::unverified) until VerifiedContents did. A file that is missing, has
/// another identity than the manifest says or fails verification is *damaged* from then on: its
/// rows are answered from the store, and it is rebuilt. Any other error (too many open files, out
/// of memory, an I/O error) says nothing about the bytes: the rows are answered from the store and
/// the file is tried again, with growing delays. Thread-safe.
class SealedSegment {
 public:
  /// Never fails: a bad file yields a damaged segment.
  static std::shared_ptr<SealedSegment> Open(FileSystem* fs, const std::string& directory,
                                             const FieldSegment& entry, OrdinalRange range);

  [[nodiscard]] const FieldSegment& entry() const { return entry_; }

  [[nodiscard]] size_t rows() const { return static_cast<size_t>(entry_.info.rows); }

  /// Verifies on the first call. Null when damaged or not readable now; `damage()` says why. May
  /// become null when a vector turns out to be damaged: who was given contents once keeps using
  /// them, or LoadedContents().
  [[nodiscard]] const SegmentContents* Contents() const;
  /// The same with all vectors verified, which the first call reads. Errors: those of `control`.
  [[nodiscard]] Result<const SegmentContents*> VerifiedContents(const CallControl& control) const;
  /// Takes note of what SegmentContents::unverified answered: the rows are answered from the store
  /// from then on, or for a while.
  void NoteVectorError(Status error) const;

  /// Contents if some call has opened them already, else null. Costs nothing.
  [[nodiscard]] const SegmentContents* LoadedContents() const {
    return contents_.load(std::memory_order_acquire);
  }

  /// The bytes are missing or wrong: only a rebuild helps.
  [[nodiscard]] bool damaged() const {
    return file_holder_->damaged.load(std::memory_order_acquire);
  }

  /// Damaged, or the last attempt to read it failed: rows are answered from the store.
  [[nodiscard]] bool unreadable() const {
    return damaged() || file_holder_->faulty.load(std::memory_order_acquire);
  }

  /// Why Contents was null last; OK when it was not.
  [[nodiscard]] Status damage() const;
  /// Every byte of the file, as it was verified, also when its name is gone. Valid as long as this.
  /// REQUIRES: Contents() != nullptr.
  [[nodiscard]] std::string_view FileBytes() const;
  /// What the index measured of itself, without loading it; no points where it did not, or cannot
  /// be read.
  [[nodiscard]] index::SearchCurve ReadCurve() const;
  /// How many axes its codes lie along, in the same way; 0 where they lie along none.
  [[nodiscard]] size_t ReadAxes() const;
  /// Bytes of the file by what they are for; all 0 while it could not be opened.
  [[nodiscard]] SectionBytes section_bytes() const;
  /// How much of them is in memory now, read or mapped by whomever. Cost: ResidentBytes of all.
  [[nodiscard]] SectionBytes ResidentSections() const;

  /// Codes, links and lists, once the contents were loaded.
  [[nodiscard]] KeptSections& kept() const { return file_holder_->kept; }

  /// Bytes on the heap: the index, deletes, masks.
  [[nodiscard]] uint64_t heap_bytes() const;
  /// Row of `ordinal`, or rows() when absent. REQUIRES: LoadedContents() != nullptr.
  [[nodiscard]] size_t FindRow(uint64_t ordinal) const;

  /// Records that `sequence` killed the row of `ordinal`, if the segment holds it. Until the
  /// contents are loaded the kill is only remembered: no byte of the file is read. For the holder
  /// of the commit lock.
  void Kill(uint64_t ordinal, uint64_t sequence);
  /// Allocates what Kill needs. May throw std::bad_alloc, and then nothing changed.
  void ReserveKill(uint64_t ordinal);

  /// Rows killed so far. While the contents are not loaded that is an upper bound: the kills in
  /// the group's range, some of them perhaps of records without this vector field.
  [[nodiscard]] size_t dead_count() const;

  /// Versioned deletes. Complete once the contents are loaded.
  [[nodiscard]] const DeadRows& dead() const { return *dead_; }

  /// False when no row can have expired at `now_ms`. Reads nothing; true while it is not known.
  [[nodiscard]] bool MayHoldExpired(int64_t now_ms) const {
    return file_holder_->min_expiry.load(std::memory_order_acquire) <= now_ms;
  }

  /// A row whose time is over.
  struct Expired {
    uint64_t ordinal = 0;
    std::string id;
  };

  /// Adds up to `limit` living rows that expired at or before `now_ms`. Loads the contents when
  /// there may be any; nothing when they cannot be read.
  void CollectExpired(int64_t now_ms, size_t limit, std::vector<Expired>* out) const;

  /// Rows alive at `sequence`; null when all of them are. Kept between calls.
  /// REQUIRES: Contents() != nullptr.
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
    std::atomic<bool> doomed{false};
    std::atomic<bool> damaged{false};
    std::atomic<bool> faulty{false};
    /// Earliest expiry: INT64_MAX when no row expires, INT64_MIN while it is not known.
    std::atomic<int64_t> min_expiry{INT64_MIN};
    std::atomic<uint64_t> vector_bytes{0};
    std::atomic<uint64_t> code_bytes{0};
    std::atomic<uint64_t> link_bytes{0};
    KeptSections kept;
    Mutex mutex;
    std::unique_ptr<segment::SegmentFile> file LEADLINE_GUARDED_BY(mutex);
    std::unique_ptr<SegmentContents> contents LEADLINE_GUARDED_BY(mutex);
    Status problem LEADLINE_GUARDED_BY(mutex);
    int64_t retry_at LEADLINE_GUARDED_BY(mutex) = 0;  ///< Clock::MonotonicNanos
    int64_t retry_delay_ms LEADLINE_GUARDED_BY(mutex) = 0;

    FileHolder() = default;
    FileHolder(const FileHolder&) = delete;
    FileHolder& operator=(const FileHolder&) = delete;
    ~FileHolder();

    Status OpenFile(const FieldSegment& entry) LEADLINE_REQUIRES(mutex);
    void MeasureSections() LEADLINE_REQUIRES(mutex);
    void OfferSections() LEADLINE_REQUIRES(mutex);
    Status Load(const FieldSegment& entry, OrdinalRange range) LEADLINE_REQUIRES(mutex);
    [[nodiscard]] bool WaitsForRetry() const LEADLINE_REQUIRES(mutex);
    /// Keeps `error`: as damage for good, or as a fault that may pass.
    void Judge(Status error) LEADLINE_REQUIRES(mutex);
  };

  SealedSegment(std::shared_ptr<FileHolder> holder, const FieldSegment& entry, OrdinalRange range);

  static constexpr size_t kMaxCachedFilters = 16;

  const std::shared_ptr<FileHolder> file_holder_;
  const FieldSegment entry_;
  const OrdinalRange range_;
  std::unique_ptr<DeadRows> dead_;
  /// Set once, under kill_mutex_, after the pending kills were mapped to rows.
  mutable std::atomic<const SegmentContents*> contents_{nullptr};
  /// Earliest expiry among rows that CollectExpired has still to report.
  mutable std::atomic<int64_t> next_expiry_{INT64_MIN};

  mutable Mutex kill_mutex_;  ///< after FileHolder::mutex
  /// (ordinal, sequence) of kills before the contents were loaded.
  mutable std::vector<std::pair<uint64_t, uint64_t>> pending_kills_
      LEADLINE_GUARDED_BY(kill_mutex_);
  size_t reserved_kills_ LEADLINE_GUARDED_BY(kill_mutex_) = 0;

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
