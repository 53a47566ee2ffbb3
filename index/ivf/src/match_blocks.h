#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ivf_parts.h"
#include "list_masks.h"

namespace leadline::index {

/// The codes of a filter's matches without those of the rows between them, for lists of which a
/// part matches: there most of what a scan of whole blocks reads is in vain. Immutable,
/// thread-safe.
class MatchBlocks {
 public:
  /// So many bytes for each row of the index are taken at most, by the lists with the smallest
  /// shares of matches.
  static constexpr size_t kBytesPerRow = 8;

  /// Cost: copies the codes. REQUIRES: blocks.
  MatchBlocks(const IvfParts& parts, const ListMasks& masks);

  /// Those of one list.
  struct List {
    size_t rows = 0;  ///< its matches; 0 where it has no blocks of its own
    const uint8_t* codes = nullptr;
    const float* adds = nullptr;          ///< null: all 0
    const float* scales = nullptr;        ///< null: all 1
    const uint32_t* positions = nullptr;  ///< of the rows, in the order of the lists
  };

  [[nodiscard]] List of(uint32_t list) const;

  [[nodiscard]] size_t resident_bytes() const;

 private:
  void Choose(const IvfParts& parts, const ListMasks& masks);
  void Copy(const IvfParts& parts, const ListMasks& masks, uint32_t list);

  size_t block_bytes_ = 0;
  std::vector<uint32_t> rows_;         ///< [nlist]
  std::vector<uint32_t> first_block_;  ///< [nlist + 1]
  std::vector<uint8_t> storage_;
  size_t misplaced_ = 0;  ///< of storage_ are before a boundary of 64 bytes
  std::vector<float> adds_;
  std::vector<float> scales_;
  std::vector<uint32_t> positions_;
};

}  // namespace leadline::index
