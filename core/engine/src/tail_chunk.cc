#include "tail_chunk.h"

#include <algorithm>
#include <cstring>

namespace leadline::engine {

TailChunk::TailChunk(const std::vector<VectorField>& fields)
    : ordinals_(std::make_unique<uint64_t[]>(kCapacity)),
      rows_(std::make_unique<StoredRecord[]>(kCapacity)),
      dead_(kCapacity) {
  for (const VectorField& field : fields) {
    dims_.push_back(field.dim);
    vectors_.push_back(std::make_unique<float[]>(kCapacity * field.dim));
  }
}

void TailChunk::Append(uint64_t ordinal, const StoredRecord& record,
                       const std::vector<std::vector<float>>& vectors) {
  const size_t row = size_;
  for (size_t f = 0; f < vectors.size(); ++f) {
    if (!vectors[f].empty()) {
      std::memcpy(vectors_[f].get() + row * dims_[f], vectors[f].data(), dims_[f] * sizeof(float));
    }
  }
  rows_[row] = record;
  ordinals_[row] = ordinal;
  ++size_;
}

size_t TailChunk::FindRow(uint64_t ordinal, size_t rows) const {
  const uint64_t* const begin = ordinals_.get();
  const uint64_t* const found = std::lower_bound(begin, begin + rows, ordinal);
  return found != begin + rows && *found == ordinal ? static_cast<size_t>(found - begin) : rows;
}

std::shared_ptr<const PayloadColumns> TailChunk::Columns(size_t visible_rows) const {
  if (visible_rows < kCapacity && !frozen_.load(std::memory_order_acquire)) {
    return nullptr;
  }
  const size_t rows = visible_rows < kCapacity ? size_ : kCapacity;
  MutexLock lock(&columns_mutex_);
  if (columns_ == nullptr) {
    PayloadColumnsBuilder builder;
    for (size_t row = 0; row < rows; ++row) {
      if (!builder.Add(static_cast<uint32_t>(row), rows_[row].payload).ok()) {
        return nullptr;
      }
    }
    Result<std::string> bytes = builder.Finish();
    if (!bytes.ok()) {
      return nullptr;
    }
    columns_bytes_ = std::move(bytes).value();
    Result<std::unique_ptr<PayloadColumns>> columns = PayloadColumns::Open(columns_bytes_, rows);
    if (!columns.ok()) {
      return nullptr;
    }
    columns_ = std::move(columns).value();
  }
  return columns_;
}

size_t TailChunk::resident_bytes() const {
  size_t bytes = sizeof(*this) + kCapacity * (sizeof(uint64_t) + sizeof(StoredRecord));
  for (const uint32_t dim : dims_) {
    bytes += kCapacity * dim * sizeof(float);
  }
  return bytes;
}

}  // namespace leadline::engine
