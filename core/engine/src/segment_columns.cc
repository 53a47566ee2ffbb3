#include "segment_columns.h"

#include <algorithm>
#include <cstring>

#include "leadline/simd/normalize.h"
#include "unverified_vectors.h"

namespace leadline::engine {

Status SegmentColumns::Add(uint64_t ordinal, const StoredRecord& record) {
  LEADLINE_RETURN_IF_ERROR(payload_.Add(static_cast<uint32_t>(size()), record.payload));
  ordinals_.push_back(ordinal);
  sequences_.push_back(record.sequence);
  expiries_.push_back(record.expires_at_ms);
  any_expiry_ = any_expiry_ || record.expires_at_ms != kNeverExpires;
  id_bytes_.append(record.id);
  id_offsets_.push_back(id_bytes_.size());
  return {};
}

void SegmentColumns::MakeRoomForVectors() {
  // Whoever sets a row touches its memory first: on as many threads as there are.
  vectors_ = NewHugeArray<float>(size() * field_.dim);
  hashes_.resize(size());
}

void SegmentColumns::SetVector(size_t row, const float* search_form) {
  std::memcpy(Place(row), search_form, field_.dim * sizeof(float));
  hashes_[row] = VectorHash({Place(row), field_.dim});
}

Status SegmentColumns::SetStoredVector(size_t row, std::string_view stored) {
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<float> values, DecodeVector(stored, field_.dim));
  SetVector(row, values.data());
  // A vector without direction was refused on its way in; it would stay as it is.
  if (field_.metric == Metric::kCosine &&
      simd::NormalizeToUnit(values.data(), Place(row), field_.dim)) {
    hashes_[row] = VectorHash({Place(row), field_.dim});
  }
  return {};
}

const float* TailVectors::Find(uint64_t ordinal, uint32_t field) const {
  if (state_ == nullptr) {
    return nullptr;
  }
  const auto& chunks = state_->tail->chunks;
  const auto after = std::upper_bound(
      chunks.begin(), chunks.end(), ordinal,
      [](uint64_t wanted, const auto& chunk) { return wanted < chunk->ordinal(0); });
  if (after == chunks.begin()) {
    return nullptr;
  }
  const auto i = static_cast<size_t>(after - chunks.begin()) - 1;
  const TailChunk& chunk = *chunks[i];
  const size_t row = chunk.FindRow(ordinal, state_->ChunkRows(i));
  const bool there = row < state_->ChunkRows(i) && chunk.has_field(row, field);
  return there ? chunk.vectors(field) + row * chunk.dim(field) : nullptr;
}

}  // namespace leadline::engine
