#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace leadline::index::hnsw {

/// Nodes seen by one search: one bit a node, so that the set of a large segment stays in cache, and
/// the list of touched words' nodes to clear it by. Thread-compatible; memory is kept.
class VisitedSet {
 public:
  /// Empties the set and makes room for nodes below `nodes`.
  void Reset(size_t nodes) {
    const size_t words = (nodes + 63) / 64;
    if (touched_.size() * 2 > words_.size()) {
      std::fill(words_.begin(), words_.end(), 0);
    } else {
      for (const uint32_t node : touched_) {
        words_[node >> 6] = 0;
      }
    }
    touched_.clear();
    if (words_.size() < words) {
      words_.resize(words);
    }
  }

  /// Adds `node`.
  void Insert(uint32_t node) {
    words_[node >> 6] |= uint64_t{1} << (node & 63);
    touched_.push_back(node);
  }

  /// Adds every node of the list `links` (up to `width` entries or the end mark) and writes those
  /// that are new to `fresh`; returns how many.
  size_t InsertNew(const uint32_t* links, size_t width, uint32_t end_mark, uint32_t* fresh) {
    size_t count = 0;
    for (size_t i = 0; i < width && links[i] != end_mark; ++i) {
      const uint32_t node = links[i];
      uint64_t& word = words_[node >> 6];
      const uint64_t bit = uint64_t{1} << (node & 63);
      fresh[count] = node;
      count += (word & bit) == 0 ? 1U : 0U;
      word |= bit;
    }
    touched_.insert(touched_.end(), fresh, fresh + count);
    return count;
  }

 private:
  std::vector<uint64_t> words_;
  std::vector<uint32_t> touched_;
};

}  // namespace leadline::index::hnsw
