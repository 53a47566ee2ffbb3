#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "build_backoff.h"
#include "catalog.h"
#include "leadline/core/mutex.h"
#include "sealed_segment.h"
#include "tail_chunk.h"

namespace leadline::engine {

/// A published group: one segment per vector field over one range of ordinals. Immutable but for
/// the delete state inside the segments.
struct SealedGroup {
  GroupEntry entry;
  std::vector<std::shared_ptr<SealedSegment>> segments;  ///< per field, null where it has no rows

  [[nodiscard]] bool Covers(uint64_t ordinal) const {
    return entry.first_ordinal <= ordinal && ordinal <= entry.last_ordinal;
  }
};

using GroupList = std::vector<std::shared_ptr<const SealedGroup>>;

/// The chunks of a tail and how many rows each holds. The count of the last one is what it held
/// when the list was made; ReadState knows the present one.
struct ChunkList {
  std::vector<std::shared_ptr<TailChunk>> chunks;
  std::vector<size_t> rows;
};

/// What a reader of one collection sees: published after every commit and after every change of
/// the segments, never modified. Groups and chunks are in ascending, disjoint ranges of ordinals.
struct ReadState {
  uint64_t sequence = 0;
  uint64_t live_rows = 0;
  uint64_t next_ordinal = 1;
  std::shared_ptr<const GroupList> groups = std::make_shared<GroupList>();
  std::shared_ptr<const ChunkList> tail = std::make_shared<ChunkList>();
  size_t last_chunk_rows = 0;
  uint64_t tail_bytes = 0;  ///< vectors, ids and payloads of the tail's rows

  /// Rows of tail chunk `i` that this state shows.
  [[nodiscard]] size_t ChunkRows(size_t i) const {
    return i + 1 == tail->chunks.size() ? last_chunk_rows : tail->rows[i];
  }

  [[nodiscard]] uint64_t TailRows() const;

  /// False when no row can have expired at `now_ms`, so that `live_rows` is what a reader of this
  /// state counts. Reads no file; true while some segment does not know.
  [[nodiscard]] bool MayHoldExpired(int64_t now_ms) const;
};

/// Rows of [first, last] killed since a build took its snapshot: re-applied when it publishes.
struct KillLog {
  uint64_t first = 0;
  uint64_t last = 0;
  std::vector<std::pair<uint64_t, uint64_t>> kills;  ///< (ordinal, sequence)

  [[nodiscard]] bool Covers(uint64_t ordinal) const { return first <= ordinal && ordinal <= last; }
};

/// One open collection.
///
/// Threads: `Load` from anywhere. Everything under "writer side" belongs to whoever holds the
/// commit lock of the database (DatabaseCore::commit_mutex), which comes before `state_mutex_`.
class CollectionState {
 public:
  /// `room`: memory for codes, links and lists that its segments are built for.
  CollectionState(CollectionEntry entry, uint64_t room) : id_(entry.id), room_(room) {
    entries_.push_back(std::make_unique<const CollectionEntry>(std::move(entry)));
    entry_ = entries_.back().get();
  }

  /// As it is now; what was returned before stays as it was.
  [[nodiscard]] const CollectionEntry& entry() const {
    return *entry_.load(std::memory_order_acquire);
  }

  [[nodiscard]] uint32_t id() const { return id_; }

  [[nodiscard]] const std::vector<VectorField>& fields() const { return entry().options.vectors; }

  /// Memory that the segments of one field may keep for searches.
  [[nodiscard]] uint64_t room_for_field() const { return room_ / fields().size(); }

  [[nodiscard]] bool dropped() const { return dropped_.load(std::memory_order_acquire); }

  void MarkDropped() { dropped_.store(true, std::memory_order_release); }

  [[nodiscard]] std::shared_ptr<const ReadState> Load() const {
    MutexLock lock(&state_mutex_);
    return state_;
  }

  /// When rows were last added, or the collection was opened: Clock::MonotonicNanos. For anybody.
  [[nodiscard]] int64_t last_growth() const { return last_growth_.load(std::memory_order_relaxed); }

  void NoteGrowth(int64_t nanos) { last_growth_.store(nanos, std::memory_order_relaxed); }

  // Writer side.

  /// Makes the memory for one more entry.
  void ReserveEntry() { entries_.reserve(entries_.size() + 1); }

  /// Replaces the entry, after ReserveEntry. Throws nothing.
  void ChangeEntry(std::unique_ptr<const CollectionEntry> entry) {
    entries_.push_back(std::move(entry));
    entry_.store(entries_.back().get(), std::memory_order_release);
  }

  Counters counters;
  /// One per running build: the builds of a collection cover disjoint ranges.
  std::vector<std::shared_ptr<KillLog>> kill_logs;

  /// True when some segment file holds the row, or may hold it once a running build publishes.
  [[nodiscard]] bool NeedsTombstone(uint64_t ordinal) const;

  /// Allocates what appending `rows` rows, killing the rows of `killed` and publishing once need,
  /// so that the steps after a durable write cannot fail. May throw std::bad_alloc, and then
  /// nothing changed.
  void Reserve(size_t rows, const std::vector<uint64_t>& killed);
  /// Adds a committed row to the tail; invisible until Publish.
  void AppendRow(uint64_t ordinal, StoredRecord&& record,
                 const std::vector<std::vector<float>>& vectors);
  /// Records that `sequence` killed the row, wherever it lives.
  void KillRow(uint64_t ordinal, uint64_t sequence);
  /// Makes everything so far visible as of `sequence`.
  void Publish(uint64_t sequence);
  /// The last ordinal in the tail, 0 when it is empty.
  [[nodiscard]] uint64_t LastTailOrdinal() const;

  /// Lets the tail grow no chunk it has. Throws nothing.
  void FreezeTail() {
    if (!tail_->chunks.empty()) {
      tail_->chunks.back()->Freeze();
    }
  }

  /// Lets it grow again after a seal that failed.
  void ThawTail() {
    if (!tail_->chunks.empty()) {
      tail_->chunks.back()->Thaw();
    }
  }

  /// A change of the groups, with all the memory that publishing it needs.
  struct GroupChange {
    std::shared_ptr<const GroupList> groups;
    std::shared_ptr<const ChunkList> tail;
    std::shared_ptr<ReadState> state;
  };

  /// Replaces the groups and drops tail chunks up to `sealed_ordinal`. May throw std::bad_alloc.
  /// Good until the next row is appended.
  [[nodiscard]] GroupChange PrepareGroups(std::shared_ptr<const GroupList> groups,
                                          uint64_t sealed_ordinal) const;
  void PublishGroups(GroupChange change, uint64_t sequence);

  /// Builds that failed; for anybody, at any time.
  BuildBackoff backoff;

 private:
  void Store(std::shared_ptr<const ReadState> state) {
    MutexLock lock(&state_mutex_);
    state_.swap(state);
  }

  /// Tail with room for `rows` more rows.
  [[nodiscard]] std::shared_ptr<const ChunkList> GrownTail(size_t rows) const;

  const uint32_t id_;
  const uint64_t room_;
  std::atomic<const CollectionEntry*> entry_;
  std::atomic<bool> dropped_{false};
  std::atomic<int64_t> last_growth_{0};

  // Writer side.
  /// All since the opening: readers hold references. Changes are rare, and entries small.
  std::vector<std::unique_ptr<const CollectionEntry>> entries_;
  std::shared_ptr<const GroupList> groups_ = std::make_shared<GroupList>();
  std::shared_ptr<const ChunkList> tail_ = std::make_shared<ChunkList>();
  std::shared_ptr<const ChunkList> reserved_tail_;  ///< null when nothing is reserved
  std::shared_ptr<ReadState> reserved_state_;

  mutable Mutex state_mutex_;
  std::shared_ptr<const ReadState> state_ LEADLINE_GUARDED_BY(state_mutex_) =
      std::make_shared<ReadState>();
};

}  // namespace leadline::engine
