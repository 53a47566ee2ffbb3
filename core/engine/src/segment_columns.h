#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collection_state.h"
#include "leadline/core/huge_array.h"
#include "leadline/core/options.h"
#include "leadline/core/payload_columns.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "stored_record.h"

namespace leadline::engine {

/// Columns of one field's segment while it is built. Thread-compatible.
class SegmentColumns {
 public:
  /// `field` must outlive it.
  explicit SegmentColumns(const VectorField& field) : field_(field) {}

  /// Rows come in the order of their ordinals.
  Status Add(uint64_t ordinal, const StoredRecord& record);

  [[nodiscard]] size_t size() const { return ordinals_.size(); }

  [[nodiscard]] const std::vector<uint64_t>& ordinals() const { return ordinals_; }

  [[nodiscard]] const std::vector<uint64_t>& sequences() const { return sequences_; }

  [[nodiscard]] const std::vector<int64_t>& expiries() const { return expiries_; }

  [[nodiscard]] bool any_expiry() const { return any_expiry_; }

  [[nodiscard]] const std::vector<uint64_t>& id_offsets() const { return id_offsets_; }

  [[nodiscard]] std::string_view id_bytes() const { return id_bytes_; }

  /// The serialised payload columns; at most once.
  Result<std::string> FinishPayload() { return payload_.Finish(); }

  /// Once all rows are there. Vectors are indeterminate until they are set.
  void MakeRoomForVectors();

  /// Sets a row's vector: one in search form, or as the store has it. Different rows may be set on
  /// different threads. kDataLoss: not `dim` values.
  void SetVector(size_t row, const float* search_form);
  Status SetStoredVector(size_t row, std::string_view stored);

  /// In search form.
  [[nodiscard]] MatrixView vectors() const { return {vectors_.get(), size(), field_.dim}; }

  /// VectorHash of each row.
  [[nodiscard]] const std::vector<uint32_t>& hashes() const { return hashes_; }

 private:
  [[nodiscard]] float* Place(size_t row) { return vectors_.get() + row * field_.dim; }

  const VectorField& field_;
  std::vector<uint64_t> ordinals_;
  std::vector<uint64_t> sequences_;
  std::vector<int64_t> expiries_;
  std::vector<uint64_t> id_offsets_{0};
  std::string id_bytes_;
  PayloadColumnsBuilder payload_;
  bool any_expiry_ = false;
  HugeArray<float> vectors_;
  std::vector<uint32_t> hashes_;
};

/// The vectors of a tail, which are in memory in search form. Immutable, thread-safe.
class TailVectors {
 public:
  /// Null: a tail without rows.
  explicit TailVectors(std::shared_ptr<const ReadState> state) : state_(std::move(state)) {}

  /// Null where the tail does not have it.
  [[nodiscard]] const float* Find(uint64_t ordinal, uint32_t field) const;

 private:
  const std::shared_ptr<const ReadState> state_;
};

}  // namespace leadline::engine
