#include "collection_state.h"

#include "leadline/core/test_hooks.h"

namespace leadline::engine {

uint64_t ReadState::TailRows() const {
  uint64_t rows = 0;
  for (size_t i = 0; i < tail->chunks.size(); ++i) {
    rows += ChunkRows(i);
  }
  return rows;
}

void CollectionState::AppendRow(uint64_t ordinal, const StoredRecord& record,
                                const std::vector<std::vector<float>>& vectors) {
  if (tail_->chunks.empty() || tail_frozen_ || tail_->chunks.back()->full()) {
    auto grown = std::make_shared<ChunkList>(*tail_);
    if (!grown->chunks.empty()) {
      grown->rows.back() = grown->chunks.back()->size();
    }
    grown->chunks.push_back(std::make_shared<TailChunk>(fields()));
    grown->rows.push_back(0);
    tail_ = std::move(grown);
    tail_frozen_ = false;
  }
  tail_->chunks.back()->Append(ordinal, record, vectors);
}

void CollectionState::KillRow(uint64_t ordinal, uint64_t sequence) {
  if (build_running && !DefectPlanted(Defect::kLoseCompactionDelete)) {
    kills_during_build.emplace_back(ordinal, sequence);
  }
  for (const std::shared_ptr<TailChunk>& chunk : tail_->chunks) {
    const size_t row = chunk->FindRow(ordinal, chunk->size());
    if (row < chunk->size()) {
      chunk->dead().Kill(row, sequence);
      return;
    }
  }
  for (const std::shared_ptr<const SealedGroup>& group : *groups_) {
    if (!group->Covers(ordinal)) {
      continue;
    }
    for (const std::shared_ptr<SealedSegment>& segment : group->segments) {
      // A damaged segment is answered from the store, where the row is gone already.
      if (segment == nullptr || segment->Contents() == nullptr) {
        continue;
      }
      const size_t row = segment->FindRow(ordinal);
      if (row < segment->rows()) {
        segment->dead().Kill(row, sequence);
      }
    }
    return;
  }
}

void CollectionState::Publish(uint64_t sequence) {
  auto state = std::make_shared<ReadState>();
  state->sequence = sequence;
  state->live_rows = counters.live_rows;
  state->next_ordinal = counters.next_ordinal;
  state->groups = groups_;
  state->tail = tail_;
  state->last_chunk_rows = tail_->chunks.empty() ? 0 : tail_->chunks.back()->size();
  Store(std::move(state));
}

uint64_t CollectionState::FreezeTail() {
  if (tail_->chunks.empty()) {
    return 0;
  }
  TailChunk& last = *tail_->chunks.back();
  last.Freeze();
  tail_frozen_ = true;
  return last.ordinal(last.size() - 1);
}

void CollectionState::PublishGroups(std::shared_ptr<const GroupList> groups,
                                    uint64_t sealed_ordinal, uint64_t sequence) {
  groups_ = std::move(groups);
  auto kept = std::make_shared<ChunkList>();
  for (size_t i = 0; i < tail_->chunks.size(); ++i) {
    const std::shared_ptr<TailChunk>& chunk = tail_->chunks[i];
    if (chunk->ordinal(chunk->size() - 1) > sealed_ordinal) {
      kept->chunks.push_back(chunk);
      kept->rows.push_back(chunk->size());
    }
  }
  if (kept->chunks.empty()) {
    tail_frozen_ = false;
  }
  tail_ = std::move(kept);
  Publish(sequence);
}

uint64_t CollectionState::TailBytes() const {
  uint64_t row_bytes = 0;
  for (const VectorField& field : fields()) {
    row_bytes += field.dim * sizeof(float);
  }
  return tail_->chunks.size() * TailChunk::kCapacity * row_bytes;
}

}  // namespace leadline::engine
