#include "collection_state.h"

#include <algorithm>

#include "leadline/core/test_hooks.h"

namespace leadline::engine {

uint64_t ReadState::TailRows() const {
  uint64_t rows = 0;
  for (size_t i = 0; i < tail->chunks.size(); ++i) {
    rows += ChunkRows(i);
  }
  return rows;
}

bool ReadState::MayHoldExpired(int64_t now_ms) const {
  for (const auto& group : *groups) {
    for (const auto& segment : group->segments) {
      if (segment != nullptr && segment->MayHoldExpired(now_ms)) {
        return true;
      }
    }
  }
  return std::any_of(tail->chunks.begin(), tail->chunks.end(),
                     [&](const auto& chunk) { return chunk->min_expiry() <= now_ms; });
}

bool CollectionState::NeedsTombstone(uint64_t ordinal) const {
  return ordinal <= counters.sealed_ordinal ||
         std::any_of(kill_logs.begin(), kill_logs.end(),
                     [&](const auto& log) { return log->Covers(ordinal); });
}

std::shared_ptr<const ChunkList> CollectionState::GrownTail(size_t rows) const {
  auto grown = std::make_shared<ChunkList>(*tail_);
  if (!grown->chunks.empty()) {
    const TailChunk& last = *grown->chunks.back();
    const size_t taken = last.HasRoom() ? std::min(rows, last.capacity() - last.size()) : 0;
    grown->rows.back() = last.size() + taken;
    rows -= taken;
  }
  while (rows > 0) {
    auto chunk = std::make_shared<TailChunk>(fields());
    const size_t taken = std::min(rows, chunk->capacity());
    grown->chunks.push_back(std::move(chunk));
    grown->rows.push_back(taken);
    rows -= taken;
  }
  return grown;
}

void CollectionState::Reserve(size_t rows, const std::vector<uint64_t>& killed) {
  const TailChunk* const last = tail_->chunks.empty() ? nullptr : tail_->chunks.back().get();
  const size_t room = last != nullptr && last->HasRoom() ? last->capacity() - last->size() : 0;
  std::shared_ptr<const ChunkList> tail = rows > room ? GrownTail(rows) : nullptr;
  auto state = std::make_shared<ReadState>();
  for (const std::shared_ptr<KillLog>& log : kill_logs) {
    // Doubled: exactly as many as needed would copy the log at every commit.
    if (log->kills.capacity() < log->kills.size() + killed.size()) {
      log->kills.reserve(2 * (log->kills.size() + killed.size()));
    }
  }
  for (const uint64_t ordinal : killed) {
    for (const std::shared_ptr<const SealedGroup>& group : *groups_) {
      for (size_t f = 0; group->Covers(ordinal) && f < group->segments.size(); ++f) {
        if (group->segments[f] != nullptr) {
          group->segments[f]->ReserveKill(ordinal);
        }
      }
    }
  }
  reserved_tail_ = std::move(tail);
  reserved_state_ = std::move(state);
}

void CollectionState::AppendRow(uint64_t ordinal, StoredRecord&& record,
                                const std::vector<std::vector<float>>& vectors) {
  if (reserved_tail_ != nullptr) {
    tail_ = std::move(reserved_tail_);
    reserved_tail_ = nullptr;
  }
  if (tail_->chunks.empty() || !tail_->chunks.back()->HasRoom()) {
    tail_ = GrownTail(1);
  }
  // The chunks with room come last: the one that was not full, and those that were reserved.
  size_t target = tail_->chunks.size() - 1;
  while (target > 0 && tail_->chunks[target - 1]->HasRoom()) {
    --target;
  }
  tail_->chunks[target]->Append(ordinal, std::move(record), vectors);
}

void CollectionState::KillRow(uint64_t ordinal, uint64_t sequence) {
  for (const std::shared_ptr<KillLog>& log : kill_logs) {
    if (log->Covers(ordinal) && !DefectPlanted(Defect::kLoseCompactionDelete)) {
      log->kills.emplace_back(ordinal, sequence);
    }
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
      if (segment != nullptr) {
        segment->Kill(ordinal, sequence);
      }
    }
    return;
  }
}

void CollectionState::Publish(uint64_t sequence) {
  std::shared_ptr<ReadState> state =
      reserved_state_ != nullptr ? std::move(reserved_state_) : std::make_shared<ReadState>();
  reserved_state_ = nullptr;
  state->sequence = sequence;
  state->live_rows = counters.live_rows;
  state->next_ordinal = counters.next_ordinal;
  state->groups = groups_;
  state->tail = tail_;
  for (const std::shared_ptr<TailChunk>& chunk : tail_->chunks) {
    state->tail_bytes += chunk->bytes();
  }
  state->last_chunk_rows = tail_->chunks.empty() ? 0 : tail_->chunks.back()->size();
  Store(std::move(state));
}

uint64_t CollectionState::LastTailOrdinal() const {
  if (tail_->chunks.empty()) {
    return 0;
  }
  const TailChunk& last = *tail_->chunks.back();
  return last.ordinal(last.size() - 1);
}

CollectionState::GroupChange CollectionState::PrepareGroups(std::shared_ptr<const GroupList> groups,
                                                            uint64_t sealed_ordinal) const {
  auto kept = std::make_shared<ChunkList>();
  for (size_t i = 0; i < tail_->chunks.size(); ++i) {
    const std::shared_ptr<TailChunk>& chunk = tail_->chunks[i];
    if (chunk->ordinal(chunk->size() - 1) > sealed_ordinal) {
      kept->chunks.push_back(chunk);
      kept->rows.push_back(chunk->size());
    }
  }
  return {std::move(groups), std::move(kept), std::make_shared<ReadState>()};
}

void CollectionState::PublishGroups(GroupChange change, uint64_t sequence) {
  groups_ = std::move(change.groups);
  tail_ = std::move(change.tail);
  reserved_tail_ = nullptr;
  reserved_state_ = std::move(change.state);
  Publish(sequence);
}

}  // namespace leadline::engine
