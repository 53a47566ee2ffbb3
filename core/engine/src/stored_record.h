#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/status.h"

namespace leadline::engine {

inline constexpr int64_t kNeverExpires = 0;

/// Value of Table::kRecords: everything of one record version except its vectors. Immutable under
/// its ordinal; an update writes a new ordinal.
struct StoredRecord {
  uint64_t sequence = 0;  ///< batch that created this version
  int64_t expires_at_ms = kNeverExpires;
  uint32_t fields = 0;  ///< bit f set: the record has a vector in field f
  std::string id;
  std::string payload;
};

std::string EncodeRecord(const StoredRecord& record);
/// kDataLoss when the bytes are not a record.
Result<StoredRecord> DecodeRecord(std::string_view bytes);

/// What is stored of a vector, as a view of `values`.
std::string_view VectorBytes(const std::vector<float>& values);
/// kDataLoss when `bytes` is not exactly `dim` floats.
Result<std::vector<float>> DecodeVector(std::string_view bytes, size_t dim);

}  // namespace leadline::engine
