#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace leadline {

/// A set of rows of [0, rows) as one bit each. Bits past the end stay zero. Thread-compatible.
class RowBits {
 public:
  RowBits() = default;

  explicit RowBits(size_t rows) : rows_(rows), words_((rows + 63) / 64, 0) {}

  static RowBits All(size_t rows) {
    RowBits all(rows);
    all.Complement();
    return all;
  }

  void Set(uint32_t row) { words_[row / 64] |= uint64_t{1} << (row % 64); }

  /// Adds the rows [first, last].
  void SetRange(uint32_t first, uint32_t last);
  void Or(const RowBits& other);
  void And(const RowBits& other);
  void AndNot(const RowBits& other);
  void Complement();

  [[nodiscard]] std::vector<uint64_t>& words() { return words_; }

  friend bool operator==(const RowBits& a, const RowBits& b) = default;

 private:
  size_t rows_ = 0;
  std::vector<uint64_t> words_;
};

}  // namespace leadline
