#include "piece_trie.h"

#include <algorithm>

namespace leadline::text {
namespace {

constexpr size_t kBytes = 256;

}  // namespace

// Keys [low, high) that share their first `depth` bytes, which lead to `node`.
struct PieceTrie::Range {
  uint32_t node;
  size_t low;
  size_t high;
  size_t depth;
};

PieceTrie::PieceTrie(const std::vector<Key>& sorted_keys) {
  Reserve(2 * kBytes);
  // The root is its own parent. Children lie behind cell 256, so that every base is at least 1 and
  // no child can take the root's place.
  cells_[kRoot].parent = kRoot;
  std::vector<Range> open = {{kRoot, 0, sorted_keys.size(), 0}};
  std::vector<uint8_t> bytes;
  std::vector<size_t> starts;
  while (!open.empty()) {
    Range range = open.back();
    open.pop_back();
    if (range.low < range.high && sorted_keys[range.low].first.size() == range.depth) {
      cells_[range.node].id = sorted_keys[range.low].second;
      ++range.low;
    }
    bytes.clear();
    starts.clear();
    for (size_t i = range.low; i < range.high; ++i) {
      const auto byte = static_cast<uint8_t>(sorted_keys[i].first[range.depth]);
      if (bytes.empty() || bytes.back() != byte) {
        bytes.push_back(byte);
        starts.push_back(i);
      }
    }
    if (bytes.empty()) {
      continue;
    }
    starts.push_back(range.high);
    const uint32_t base = FindBase(bytes);
    cells_[range.node].base = base;
    for (size_t c = 0; c < bytes.size(); ++c) {
      const uint32_t child = base + bytes[c];
      cells_[child].parent = range.node;
      open.push_back({child, starts[c], starts[c + 1], range.depth + 1});
    }
  }
  cells_.shrink_to_fit();
}

uint32_t PieceTrie::Walk(uint32_t node, std::string_view bytes) const {
  for (const char byte : bytes) {
    const uint32_t next = cells_[node].base + static_cast<uint8_t>(byte);
    if (cells_[next].parent != node) {
      return kNone;
    }
    node = next;
  }
  return node;
}

// Finds a base that gives every byte a free cell. `bytes` is ascending. A single child takes the
// lowest hole. Several children search from where the last long search ended, so that crowded cells
// are not tried again for every node; the holes they leave are filled by single children.
uint32_t PieceTrie::FindBase(const std::vector<uint8_t>& bytes) {
  constexpr size_t kLongSearch = 64;
  while (cells_[first_free_].parent != kNone) {
    ++first_free_;
    Reserve(first_free_ + 2 * kBytes);
  }
  const bool single = bytes.size() == 1;
  const size_t start = single ? first_free_ : std::max(crowded_below_, first_free_);
  for (size_t first = start;; ++first) {
    Reserve(first + 2 * kBytes);
    const size_t base = first - bytes.front();
    const bool fits = std::all_of(bytes.begin(), bytes.end(), [&](uint8_t byte) {
      return cells_[base + byte].parent == kNone;
    });
    if (fits) {
      if (!single && first - start > kLongSearch) {
        crowded_below_ = first;
      }
      return static_cast<uint32_t>(base);
    }
  }
}

// Keeps a full page of cells behind every base, so that no lookup can leave the array.
void PieceTrie::Reserve(size_t cells) {
  if (cells > cells_.size()) {
    cells_.resize(std::max(cells, cells_.size() + cells_.size() / 2));
  }
}

}  // namespace leadline::text
