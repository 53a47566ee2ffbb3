#include "listed_tail.h"

#include <algorithm>
#include <utility>

#include "collection_state.h"

namespace leadline::engine {

ListedRange::ListedRange(const ReadState& state) {
  const ChunkList& tail = *state.tail;
  if (tail.chunks.empty()) {
    return;
  }
  const size_t blocks = (tail.chunks.front()->capacity() + kBlockRows - 1) / kBlockRows;
  numbers_per_chunk_ = blocks * kBlockRows;
  const size_t last = tail.chunks.size() - 1;
  count_ = FirstOf(last) + RowsOf(state, last);
  for (size_t i = 0; i <= last; ++i) {
    rows_ += RowsOf(state, i);
  }
}

size_t ListedRange::RowsOf(const ReadState& state, size_t i) const {
  const size_t rows = state.ChunkRows(i);
  const bool grows = i + 1 == state.tail->chunks.size() && rows < state.tail->chunks[i]->capacity();
  return grows ? rows / kBlockRows * kBlockRows : rows;
}

Result<std::shared_ptr<const index::ListedRows>> ListedTail::Get(
    const ReadState& state, uint32_t field, const ListedRange& range, uint64_t segment_id,
    const index::SegmentIndex& index, const CallControl& control) {
  MutexLock lock(&mutex_);
  auto entry = std::find_if(entries_.begin(), entries_.end(),
                            [&](const Entry& e) { return e.segment_id == segment_id; });
  if (entry == entries_.end()) {
    if (entries_.size() == kMostEntries) {
      entries_.erase(entries_.begin());
    }
    entries_.push_back({segment_id, nullptr});
    entry = entries_.end() - 1;
  }
  const size_t known = entry->rows == nullptr ? 0 : entry->rows->size();
  if (known >= range.count()) {
    return entry->rows;
  }
  const size_t dim = state.tail->chunks.front()->dim(field);
  std::vector<const float*> rows;
  rows.reserve(range.count() - known);
  for (size_t number = known; number < range.count(); ++number) {
    const size_t c = range.ChunkOf(number);
    const size_t row = number - range.FirstOf(c);
    const TailChunk& chunk = *state.tail->chunks[c];
    rows.push_back(row < range.RowsOf(state, c) ? chunk.vectors(field) + row * dim : nullptr);
  }
  LEADLINE_ASSIGN_OR_RETURN(entry->rows, index.ListRows(entry->rows.get(), rows, control));
  return entry->rows;
}

size_t ListedTail::resident_bytes() const {
  MutexLock lock(&mutex_);
  size_t bytes = 0;
  for (const Entry& entry : entries_) {
    bytes += entry.rows == nullptr ? 0 : entry.rows->resident_bytes();
  }
  return bytes;
}

}  // namespace leadline::engine
