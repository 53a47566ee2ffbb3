#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ivf_layout.h"

namespace leadline::index {

/// The rows of a filter in the order in which lists hold them: one bit a row, each list from a word
/// of its own on. Immutable.
class ListMasks {
 public:
  /// `rows`: one bit a row. Cost: a look at the bit of every row.
  ListMasks(const IvfView& lists, const uint64_t* rows);

  /// Bits of the rows of `list`; those behind its last row are 0.
  [[nodiscard]] const uint64_t* of(uint32_t list) const { return words_.data() + first_[list]; }

  /// Rows of `list` that the filter passes.
  [[nodiscard]] size_t CountOf(uint32_t list) const { return counts_[list]; }

  [[nodiscard]] size_t resident_bytes() const {
    return words_.capacity() * sizeof(uint64_t) +
           (first_.capacity() + counts_.capacity()) * sizeof(uint32_t);
  }

 private:
  std::vector<uint32_t> first_;  ///< [nlist + 1] the first word of each list
  std::vector<uint32_t> counts_;
  std::vector<uint64_t> words_;
};

/// How many of the first `count` bits, in whole words, are set.
size_t CountSet(const uint64_t* mask, size_t count);

/// Writes the bits of the rows at positions [begin, begin + count) of the lists to `mask`, a word
/// for each 64 of them; returns how many are set.
size_t GatherMask(const IvfView& lists, const uint64_t* rows, size_t begin, size_t count,
                  uint64_t* mask);

}  // namespace leadline::index
