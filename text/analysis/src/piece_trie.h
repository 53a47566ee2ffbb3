#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace leadline::text {

/// Maps byte strings to ids and finds the longest key that begins a text; a double array, so each
/// byte costs one load. Immutable after construction.
/// Source: Aoe 1989, "An efficient digital search algorithm by using a double-array structure".
class PieceTrie {
 public:
  using Key = std::pair<std::string_view, uint32_t>;
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kRoot = 0;

  struct Match {
    size_t length = 0;  ///< bytes matched; 0 when no key begins the text
    uint32_t id = kNone;
  };

  /// Keys: non-empty, unique, sorted by bytes; ids below kNone. The strings are not retained.
  explicit PieceTrie(const std::vector<Key>& sorted_keys);

  /// Follows `bytes` from a node; kNone where no key continues that way.
  [[nodiscard]] uint32_t Walk(uint32_t node, std::string_view bytes) const;

  /// Longest key below `node` that begins `text`.
  [[nodiscard]] Match LongestMatch(uint32_t node, std::string_view text) const {
    Match best;
    for (size_t i = 0; i < text.size(); ++i) {
      const uint32_t next = cells_[node].base + static_cast<uint8_t>(text[i]);
      if (cells_[next].parent != node) {
        break;
      }
      node = next;
      if (cells_[node].id != kNone) {
        best = {i + 1, cells_[node].id};
      }
    }
    return best;
  }

 private:
  struct Cell {
    uint32_t base = 0;        // children live at base + byte
    uint32_t parent = kNone;  // kNone: free
    uint32_t id = kNone;      // kNone: no key ends here
  };
  struct Range;

  uint32_t FindBase(const std::vector<uint8_t>& bytes);
  void Reserve(size_t cells);

  std::vector<Cell> cells_;
  size_t first_free_ = 257;     // every cell between 257 and here is taken
  size_t crowded_below_ = 257;  // few groups of free cells below here
};

}  // namespace leadline::text
