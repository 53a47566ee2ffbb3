#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/mutex.h"
#include "leadline/core/status.h"
#include "leadline/index/segment_index.h"

namespace leadline::engine {

struct ReadState;

/// Which of a state's tail rows are searched by the lists of a segment, and under which numbers:
/// all of every chunk but the last one, and of that one whole blocks. Follows from the state alone,
/// so that answers do not depend on who asked before.
class ListedRange {
 public:
  static constexpr size_t kBlockRows = 64;

  explicit ListedRange(const ReadState& state);

  /// Of tail chunk `i`, those from its first on.
  [[nodiscard]] size_t RowsOf(const ReadState& state, size_t i) const;

  /// Numbers of the rows of chunk `i` begin here: a multiple of kBlockRows.
  [[nodiscard]] size_t FirstOf(size_t i) const { return i * numbers_per_chunk_; }

  [[nodiscard]] size_t ChunkOf(size_t number) const { return number / numbers_per_chunk_; }

  /// Numbers in use, to those that are no rows too.
  [[nodiscard]] size_t count() const { return count_; }

  [[nodiscard]] size_t rows() const { return rows_; }

 private:
  size_t numbers_per_chunk_ = kBlockRows;
  size_t count_ = 0;
  size_t rows_ = 0;
};

/// The rows of one field of a tail, from one chunk on, in the lists of one segment's index; grown
/// when a state shows more of them. Kept with that chunk. Thread-safe.
class ListedTail {
 public:
  /// At least the numbers of `range`, which is that of `state`, in the lists of `index`, the index
  /// of segment `segment_id`. A state that reaches farther may have been here before. Readers wait
  /// for each other, about a millisecond for a thousand rows. Errors: those of `control`. May throw
  /// std::bad_alloc.
  Result<std::shared_ptr<const index::ListedRows>> Get(const ReadState& state, uint32_t field,
                                                       const ListedRange& range,
                                                       uint64_t segment_id,
                                                       const index::SegmentIndex& index,
                                                       const CallControl& control);

  [[nodiscard]] size_t resident_bytes() const;

 private:
  struct Entry {
    uint64_t segment_id = 0;
    std::shared_ptr<const index::ListedRows> rows;
  };

  /// Those by the present segment, and by that of older states.
  static constexpr size_t kMostEntries = 2;

  mutable Mutex mutex_;
  std::vector<Entry> entries_ LEADLINE_GUARDED_BY(mutex_);  ///< newest last
};

}  // namespace leadline::engine
