#include "tail_chunk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "aligned_sections.h"
#include "index_registry.h"
#include "leadline/core/no_throw.h"
#include "paced_control.h"

namespace leadline::engine {

namespace {

size_t RowsThatFit(const std::vector<VectorField>& fields) {
  size_t row_bytes = 1;
  for (const VectorField& field : fields) {
    row_bytes += field.dim * sizeof(float);
  }
  return std::clamp<size_t>(TailChunk::kVectorBytes / row_bytes, 1, TailChunk::kCapacity);
}

}  // namespace

TailChunk::TailChunk(const std::vector<VectorField>& fields)
    : capacity_(RowsThatFit(fields)),
      ordinals_(std::make_unique<uint64_t[]>(capacity_)),
      rows_(std::make_unique<StoredRecord[]>(capacity_)),
      fields_(fields),
      dead_(capacity_),
      coded_(fields.size()) {
  dead_.Reserve(0);  // one block serves every row of a chunk
  for (const VectorField& field : fields) {
    vectors_.push_back(std::make_unique<float[]>(capacity_ * field.dim));
    listed_.push_back(std::make_unique<ListedTail>());
  }
}

void TailChunk::Append(uint64_t ordinal, StoredRecord&& record,
                       const std::vector<std::vector<float>>& vectors) {
  const size_t row = size_;
  uint64_t bytes =
      sizeof(uint64_t) + sizeof(StoredRecord) + record.id.size() + record.payload.size();
  for (size_t f = 0; f < vectors.size(); ++f) {
    if (!vectors[f].empty()) {
      std::memcpy(vectors_[f].get() + row * fields_[f].dim, vectors[f].data(),
                  fields_[f].dim * sizeof(float));
      bytes += fields_[f].dim * sizeof(float);
    }
  }
  if (record.expires_at_ms != kNeverExpires) {
    min_expiry_.store(std::min(min_expiry(), record.expires_at_ms), std::memory_order_relaxed);
  }
  common_fields_.store(common_fields_.load(std::memory_order_relaxed) & record.fields,
                       std::memory_order_relaxed);
  text_bytes_.fetch_add(record.id.size() + record.payload.size(), std::memory_order_relaxed);
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  rows_[row] = std::move(record);
  ordinals_[row] = ordinal;
  ++size_;
}

size_t TailChunk::FindRow(uint64_t ordinal, size_t rows) const {
  const uint64_t* const begin = ordinals_.get();
  const uint64_t* const found = std::lower_bound(begin, begin + rows, ordinal);
  return found != begin + rows && *found == ordinal ? static_cast<size_t>(found - begin) : rows;
}

Result<std::shared_ptr<const PayloadColumns>> TailChunk::Columns(size_t visible_rows,
                                                                 const CallControl& control) const {
  if (!GrowsNoMore(visible_rows)) {
    return std::shared_ptr<const PayloadColumns>();
  }
  size_t rows = 0;
  {
    MutexLock lock(&columns_mutex_);
    if (columns_ != nullptr || building_columns_ || !GrowsNoMore(visible_rows)) {
      return columns_;
    }
    rows = visible_rows < capacity_ ? size_ : capacity_;
    building_columns_ = true;
  }
  Result<std::shared_ptr<const PayloadColumns>> built =
      NoThrow([&] { return BuildColumns(rows, control); });
  MutexLock lock(&columns_mutex_);
  building_columns_ = false;
  if (built.ok() && GrowsNoMore(visible_rows)) {  // else thawed meanwhile
    columns_ = *built;
  }
  return built;
}

Result<std::shared_ptr<const PayloadColumns>> TailChunk::BuildColumns(
    size_t rows, const CallControl& control) const {
  struct Owned {
    std::string bytes;
    std::unique_ptr<PayloadColumns> columns;
  };

  PayloadColumnsBuilder builder;
  PacedControl pace(control);
  for (size_t row = 0; row < rows; ++row) {
    LEADLINE_RETURN_IF_ERROR(pace.Before(1, rows_[row].payload.size()));
    if (!builder.Add(static_cast<uint32_t>(row), rows_[row].payload).ok()) {
      return std::shared_ptr<const PayloadColumns>();
    }
  }
  Result<std::string> bytes = builder.Finish();
  if (!bytes.ok()) {
    return std::shared_ptr<const PayloadColumns>();
  }
  auto owned = std::make_shared<Owned>();
  owned->bytes = std::move(bytes).value();
  Result<std::unique_ptr<PayloadColumns>> columns = PayloadColumns::Open(owned->bytes, rows);
  if (!columns.ok()) {
    return std::shared_ptr<const PayloadColumns>();
  }
  owned->columns = std::move(columns).value();
  return std::shared_ptr<const PayloadColumns>(owned, owned->columns.get());
}

struct TailChunk::Coded {
  AlignedSections sections;
  std::unique_ptr<index::SegmentIndex> scan;
};

Result<std::shared_ptr<const index::SegmentIndex>> TailChunk::CodedScan(
    uint32_t field, size_t visible_rows, const CallControl& control) const {
  if (visible_rows < capacity_ || UnindexedChoice(fields_[field]).codes == CodeType::kF32) {
    return std::shared_ptr<const index::SegmentIndex>();
  }
  {
    MutexLock lock(&codes_mutex_);
    if (coded_[field] != nullptr || encoding_) {
      return coded_[field];
    }
    encoding_ = true;
  }
  Result<std::shared_ptr<const index::SegmentIndex>> encoded =
      NoThrow([&] { return EncodeRows(field, control); });
  MutexLock lock(&codes_mutex_);
  encoding_ = false;
  if (encoded.ok()) {
    coded_[field] = *encoded;
  }
  return encoded;
}

Result<std::shared_ptr<const index::SegmentIndex>> TailChunk::EncodeRows(
    uint32_t field, const CallControl& control) const {
  const MatrixView rows{vectors_[field].get(), capacity_, fields_[field].dim};
  const IndexChoice choice = UnindexedChoice(fields_[field]);
  index::BuildOptions options;
  options.metric = fields_[field].metric;
  options.codes = choice.codes;
  options.control = control;
  const index::IndexFactory& factory = *FindIndexFactory(choice.kind);
  LEADLINE_ASSIGN_OR_RETURN(std::vector<index::Section> sections, factory.Build(rows, options));
  auto coded = std::make_shared<Coded>(Coded{AlignedSections(std::move(sections)), nullptr});
  LEADLINE_ASSIGN_OR_RETURN(coded->scan,
                            factory.Open(coded->sections.views(), rows, options.metric));
  return std::shared_ptr<const index::SegmentIndex>(coded, coded->scan.get());
}

void TailChunk::Thaw() {
  MutexLock lock(&columns_mutex_);
  if (columns_ == nullptr) {
    frozen_.store(false, std::memory_order_release);
  }
}

uint64_t TailChunk::BytesOf(const std::vector<VectorField>& fields) {
  const uint64_t capacity = RowsThatFit(fields);
  uint64_t row_bytes = 2 * sizeof(uint64_t) + sizeof(StoredRecord);
  for (const VectorField& field : fields) {
    row_bytes += field.dim * sizeof(float);
  }
  return sizeof(TailChunk) + capacity * row_bytes;
}

size_t TailChunk::resident_bytes() const {
  uint64_t arrays = BytesOf(fields_) + dead_.heap_bytes();
  for (const std::unique_ptr<ListedTail>& listed : listed_) {
    arrays += listed->resident_bytes();
  }
  MutexLock lock(&codes_mutex_);
  for (size_t f = 0; f < fields_.size(); ++f) {
    arrays += coded_[f] != nullptr ? capacity_ * fields_[f].dim : 0;
  }
  return static_cast<size_t>(arrays + text_bytes_.load(std::memory_order_relaxed));
}

}  // namespace leadline::engine
