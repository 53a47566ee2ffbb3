#include "match_blocks.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace leadline::index {
namespace {

using simd::kBlockRows;
using simd::kCodeBytes;

/// Of fewer matches the codes of rows are compared, which say more.
constexpr size_t kLeastMatches = 4;
/// Of a list of which more match, little would be saved.
constexpr double kMostShare = 0.75;
/// Of a row in a line of a block.
constexpr size_t kRowBytes = kCodeBytes / kBlockRows;

size_t BlocksOf(size_t rows) {
  return (rows + kBlockRows - 1) / kBlockRows;
}

}  // namespace

MatchBlocks::MatchBlocks(const IvfParts& parts, const ListMasks& masks)
    : block_bytes_(parts.blocks()->block_bytes()) {
  Choose(parts, masks);
  const size_t blocks = first_block_.back();
  storage_.resize(blocks * block_bytes_ + kCodeBytes);
  misplaced_ = kCodeBytes - reinterpret_cast<uintptr_t>(storage_.data()) % kCodeBytes;
  positions_.resize(blocks * kBlockRows);
  if (parts.blocks()->adds != nullptr) {
    adds_.resize(blocks * kBlockRows);
  }
  if (parts.blocks()->scales != nullptr) {
    scales_.resize(blocks * kBlockRows);
  }
  for (uint32_t l = 0; l < rows_.size(); ++l) {
    if (rows_[l] > 0) {
      Copy(parts, masks, l);
    }
  }
}

void MatchBlocks::Choose(const IvfParts& parts, const ListMasks& masks) {
  struct Possible {
    double share;
    uint32_t list;
  };

  std::vector<Possible> lists;
  const size_t nlist = parts.lists.centroids.rows;
  for (uint32_t l = 0; l < nlist; ++l) {
    const size_t matches = masks.CountOf(l);
    const double share = static_cast<double>(BlocksOf(matches) * kBlockRows) /
                         static_cast<double>(parts.lists.offsets[l + 1] - parts.lists.offsets[l]);
    if (matches >= kLeastMatches && share <= kMostShare) {
      lists.push_back({share, l});
    }
  }
  std::stable_sort(lists.begin(), lists.end(),
                   [](const Possible& a, const Possible& b) { return a.share < b.share; });
  const size_t block_cost = block_bytes_ + kBlockRows * (2 * sizeof(float) + sizeof(uint32_t));
  size_t left = kBytesPerRow * parts.vectors.rows / block_cost;
  rows_.assign(nlist, 0);
  first_block_.assign(nlist + 1, 0);
  for (const Possible& possible : lists) {
    const size_t matches = masks.CountOf(possible.list);
    if (BlocksOf(matches) > left) {
      break;
    }
    left -= BlocksOf(matches);
    rows_[possible.list] = static_cast<uint32_t>(matches);
  }
  for (size_t l = 0; l < nlist; ++l) {
    first_block_[l + 1] = first_block_[l] + static_cast<uint32_t>(BlocksOf(rows_[l]));
  }
}

void MatchBlocks::Copy(const IvfParts& parts, const ListMasks& masks, uint32_t list) {
  const ListBlocks& from = *parts.blocks();
  const size_t size = parts.lists.offsets[list + 1] - parts.lists.offsets[list];
  const uint64_t* mask = masks.of(list);
  size_t at = first_block_[list] * kBlockRows;
  for (size_t w = 0; w < (size + 63) / 64; ++w) {
    for (uint64_t rest = mask[w]; rest != 0; rest &= rest - 1, ++at) {
      const size_t row = w * 64 + static_cast<size_t>(std::countr_zero(rest));
      const size_t source = from.first_block[list] * kBlockRows + row;
      positions_[at] = parts.lists.offsets[list] + static_cast<uint32_t>(row);
      if (from.adds != nullptr) {
        adds_[at] = from.adds[source];
      }
      if (from.scales != nullptr) {
        scales_[at] = from.scales[source];
      }
      const uint8_t* code =
          from.codes + source / kBlockRows * block_bytes_ + source % kBlockRows * kRowBytes;
      uint8_t* copy = storage_.data() + misplaced_ + at / kBlockRows * block_bytes_ +
                      at % kBlockRows * kRowBytes;
      for (size_t line = 0; line < block_bytes_; line += kCodeBytes) {
        std::memcpy(copy + line, code + line, kRowBytes);
      }
    }
  }
}

MatchBlocks::List MatchBlocks::of(uint32_t list) const {
  const size_t block = first_block_[list];
  const size_t at = block * kBlockRows;
  return {rows_[list], storage_.data() + misplaced_ + block * block_bytes_,
          adds_.empty() ? nullptr : adds_.data() + at,
          scales_.empty() ? nullptr : scales_.data() + at, positions_.data() + at};
}

size_t MatchBlocks::resident_bytes() const {
  return storage_.capacity() + (adds_.capacity() + scales_.capacity()) * sizeof(float) +
         (positions_.capacity() + rows_.capacity() + first_block_.capacity()) * sizeof(uint32_t);
}

}  // namespace leadline::index
