#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace leadline::engine {

/// The versioned delete bitmap of one immutable run of rows: which sequence killed each row.
///
/// A row is visible at sequence S unless it was killed at or before S. So one object serves the
/// newest state and every older snapshot, and no reader takes a lock.
///
/// Threads: one killer at a time (the commit lock), any number of readers. A reader that learned S
/// through the collection's published state sees every kill up to S.
class DeadRows {
 public:
  static constexpr uint64_t kAlive = UINT64_MAX;

  explicit DeadRows(size_t rows)
      : rows_(rows), chunks_((rows + kChunkRows - 1) / kChunkRows), owned_(chunks_.size()) {}

  DeadRows(const DeadRows&) = delete;
  DeadRows& operator=(const DeadRows&) = delete;
  ~DeadRows() = default;

  /// Allocates what killing `row` needs, so that Kill does not. For the killer.
  void Reserve(size_t row) {
    std::unique_ptr<Chunk>& owned = owned_[row / kChunkRows];
    if (owned == nullptr) {
      owned = std::make_unique<Chunk>();
      for (std::atomic<uint64_t>& slot : owned->killed_at) {
        slot.store(kAlive, std::memory_order_relaxed);
      }
      chunks_[row / kChunkRows].store(owned.get(), std::memory_order_release);
    }
  }

  /// Records that `sequence` killed `row`. The first killer stays.
  void Kill(size_t row, uint64_t sequence) {
    Reserve(row);
    std::atomic<uint64_t>& slot = owned_[row / kChunkRows]->killed_at[row % kChunkRows];
    if (slot.load(std::memory_order_relaxed) == kAlive) {
      slot.store(sequence, std::memory_order_release);
      if (sequence > last_kill_.load(std::memory_order_relaxed)) {
        last_kill_.store(sequence, std::memory_order_release);
      }
      count_.fetch_add(1, std::memory_order_release);
    }
  }

  /// Sequence that killed `row`, or kAlive.
  [[nodiscard]] uint64_t KilledAt(size_t row) const {
    const Chunk* chunk = chunks_[row / kChunkRows].load(std::memory_order_acquire);
    return chunk == nullptr ? kAlive
                            : chunk->killed_at[row % kChunkRows].load(std::memory_order_acquire);
  }

  [[nodiscard]] bool VisibleAt(size_t row, uint64_t sequence) const {
    return KilledAt(row) > sequence;
  }

  /// Clears in `words` the bit of every row killed at or before `sequence`.
  void ClearDead(uint64_t sequence, uint64_t* words) const {
    for (size_t c = 0; c < chunks_.size(); ++c) {
      const Chunk* chunk = chunks_[c].load(std::memory_order_acquire);
      if (chunk == nullptr) {
        continue;
      }
      for (size_t i = 0; i < kChunkRows; ++i) {
        if (chunk->killed_at[i].load(std::memory_order_acquire) <= sequence) {
          const size_t row = c * kChunkRows + i;
          words[row >> 6] &= ~(uint64_t{1} << (row & 63));
        }
      }
    }
  }

  /// Of the first `rows` rows a bit each, set where the row is visible at `sequence`.
  [[nodiscard]] std::vector<uint64_t> Living(uint64_t sequence, size_t rows) const {
    std::vector<uint64_t> words((rows + 63) / 64);
    if (count() == rows_ && last_kill() <= sequence) {
      return words;  // no row's own sequence is read
    }
    for (size_t first = 0; first < rows; first += 64) {
      const Chunk* const chunk = chunks_[first / kChunkRows].load(std::memory_order_acquire);
      const size_t some = std::min<size_t>(64, rows - first);
      uint64_t living = ~uint64_t{0} >> (64 - some);
      for (size_t i = 0; chunk != nullptr && i < some; ++i) {
        const uint64_t killed_at =
            chunk->killed_at[first % kChunkRows + i].load(std::memory_order_acquire);
        living &= ~(uint64_t{killed_at <= sequence ? 1U : 0U} << i);
      }
      words[first / 64] = living;
    }
    return words;
  }

  [[nodiscard]] size_t rows() const { return rows_; }

  [[nodiscard]] size_t heap_bytes() const {
    size_t bytes = chunks_.size() * 2 * sizeof(void*);
    for (const std::atomic<Chunk*>& chunk : chunks_) {
      bytes += chunk.load(std::memory_order_relaxed) == nullptr ? 0 : sizeof(Chunk);
    }
    return bytes;
  }

  /// Rows killed so far, at whatever sequence.
  [[nodiscard]] size_t count() const { return count_.load(std::memory_order_acquire); }

  /// Highest killing sequence so far; 0 without kills.
  [[nodiscard]] uint64_t last_kill() const { return last_kill_.load(std::memory_order_acquire); }

 private:
  static constexpr size_t kChunkRows = 1024;

  struct Chunk {
    std::atomic<uint64_t> killed_at[kChunkRows];
  };

  const size_t rows_;
  std::vector<std::atomic<Chunk*>> chunks_;
  std::vector<std::unique_ptr<Chunk>> owned_;
  std::atomic<size_t> count_{0};
  std::atomic<uint64_t> last_kill_{0};
};

}  // namespace leadline::engine
