#include "list_masks.h"

#include <algorithm>
#include <bit>

namespace leadline::index {

ListMasks::ListMasks(const IvfView& lists, const uint64_t* rows) : first_(lists.offsets.size()) {
  counts_.reserve(lists.centroids.rows);
  for (size_t l = 0; l + 1 < lists.offsets.size(); ++l) {
    first_[l + 1] = first_[l] + (lists.offsets[l + 1] - lists.offsets[l] + 63) / 64;
  }
  words_.resize(first_.back());
  for (size_t l = 0; l + 1 < lists.offsets.size(); ++l) {
    counts_.push_back(static_cast<uint32_t>(GatherMask(lists, rows, lists.offsets[l],
                                                       lists.offsets[l + 1] - lists.offsets[l],
                                                       words_.data() + first_[l])));
  }
}

size_t CountSet(const uint64_t* mask, size_t count) {
  size_t set = 0;
  for (size_t w = 0; w < (count + 63) / 64; ++w) {
    set += static_cast<size_t>(std::popcount(mask[w]));
  }
  return set;
}

size_t GatherMask(const IvfView& lists, const uint64_t* rows, size_t begin, size_t count,
                  uint64_t* mask) {
  const uint32_t* ids = lists.row_ids.data() + begin;
  size_t set = 0;
  for (size_t first = 0; first < count; first += 64) {
    const size_t some = std::min<size_t>(64, count - first);
    uint64_t word = 0;
    for (size_t i = 0; i < some; ++i) {
      const uint32_t row = ids[first + i];
      word |= ((rows[row >> 6] >> (row & 63)) & 1U) << i;
    }
    mask[first / 64] = word;
    set += static_cast<size_t>(std::popcount(word));
  }
  return set;
}

}  // namespace leadline::index
