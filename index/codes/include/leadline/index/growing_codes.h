#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "leadline/index/row_codes.h"

namespace leadline::index {

/// sq8 codes of rows that come one after the other, by the mean of a table that is there: a query
/// readied for that table is compared with these as it is (RowQuery::DistancesIn).
///
/// Threads: a slot is written once, before anybody reads it; different slots by any threads.
class GrowingCodes {
 public:
  /// Room for `capacity` rows, all zeros. `like` is sq8 and need not outlive the object.
  GrowingCodes(const RowCodes& like, size_t capacity);
  GrowingCodes(const GrowingCodes&) = delete;
  GrowingCodes& operator=(const GrowingCodes&) = delete;
  ~GrowingCodes() = default;

  /// Writes slot `at` < capacity: the code of `row` [dim], finite, in search form.
  void Encode(size_t at, const float* row);

  /// Writes the first `count` slots: those of `other`, which was made like the same table.
  void Copy(const GrowingCodes& other, size_t count);

  /// The slots as rows of a table, without what RowCodes promises of errors. Valid as long as this
  /// object.
  [[nodiscard]] const RowCodes& table() const { return table_; }

  [[nodiscard]] size_t resident_bytes() const {
    return lines_.capacity() * sizeof(Line) +
           (mean_.size() + 2 * terms_.capacity()) * sizeof(float);
  }

 private:
  struct alignas(64) Line {
    uint8_t bytes[64];
  };

  [[nodiscard]] uint8_t* code(size_t at) {
    return reinterpret_cast<uint8_t*>(lines_.data()) + at * table_.stride();
  }

  std::vector<float> mean_;
  std::vector<Line> lines_;
  std::vector<RowTerms> terms_;  ///< where they are not in the row
  RowCodes table_;
};

}  // namespace leadline::index
