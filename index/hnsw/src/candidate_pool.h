#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace leadline::index::hnsw {

/// A distance and a node in one integer that sorts by distance, then node: the distance's bits made
/// monotone, then 31 bits of node number, then the mark that the node was expanded (which two keys
/// of different nodes never reach in a comparison).
using Key = uint64_t;

inline constexpr Key kExpanded = 1;
inline constexpr Key kWorstKey = ~Key{0};

inline Key MakeKey(float distance, uint32_t node) {
  const auto bits = std::bit_cast<uint32_t>(distance);
  const uint32_t sign_mask = 0U - (bits >> 31);
  const uint32_t monotone = bits ^ (sign_mask | 0x80000000U);
  return (Key{monotone} << 32) | (Key{node} << 1);
}

inline uint32_t NodeOf(Key key) {
  return static_cast<uint32_t>(key) >> 1;
}

inline float DistanceOf(Key key) {
  const auto monotone = static_cast<uint32_t>(key >> 32);
  const uint32_t sign_mask = (monotone >> 31) - 1;
  return std::bit_cast<float>(monotone ^ (sign_mask | 0x80000000U));
}

/// The best `capacity` keys seen, in order, and a cursor on the first one not expanded. A sorted
/// array beats heaps here by a quarter: it stays in the nearest cache and is moved, not sifted.
/// What a hop finds is merged in one go, so that each key moves at most once.
/// Thread-compatible; the memory is kept from one use to the next.
class CandidatePool {
 public:
  /// Keys that one Merge takes.
  static constexpr size_t kMostMerged = 512;

  void Reset(size_t capacity) {
    if (keys_.size() < capacity + kMostMerged) {
      keys_.resize(capacity + kMostMerged);  // keys fall off the end while others are merged in
    }
    capacity_ = capacity;
    size_ = 0;
    cursor_ = 0;
  }

  [[nodiscard]] size_t size() const { return size_; }

  [[nodiscard]] Key operator[](size_t i) const { return keys_[i] & ~kExpanded; }

  /// Keys that are not smaller cannot enter.
  [[nodiscard]] Key worst() const { return size_ < capacity_ ? kWorstKey : keys_[size_ - 1]; }

  /// Takes those of the `count` keys at `found`, none of them in the pool, that are smaller than
  /// worst(). Leaves these in `found`, ascending, and returns how many they are.
  /// REQUIRES: count <= kMostMerged.
  size_t Merge(Key* found, size_t count) {
    const Key limit = worst();
    size_t taken = 0;
    for (size_t i = 0; i < count; ++i) {
      const Key key = found[i];
      found[taken] = key;
      taken += key < limit ? 1U : 0U;
    }
    if (taken == 0) {
      return 0;
    }
    Sort(found, taken);
    // Searches that do not wait for each other first, then the moves, last key first.
    uint32_t positions[kMostMerged];
    for (size_t i = 0; i < taken; ++i) {
      positions[i] = static_cast<uint32_t>(LowerBound(found[i]));
    }
    size_t end = size_;
    for (size_t i = taken; i-- > 0;) {
      Key* const place = keys_.data() + positions[i];
      std::memmove(place + i + 1, place, (end - positions[i]) * sizeof(Key));
      place[i] = found[i];
      end = positions[i];
    }
    size_ = std::min(capacity_, size_ + taken);
    cursor_ = std::min<size_t>(cursor_, positions[0]);
    return taken;
  }

  /// Marks the nearest unexpanded key and returns it; kWorstKey when none is left.
  Key PopNearest() {
    while (cursor_ < size_ && (keys_[cursor_] & kExpanded) != 0) {
      ++cursor_;
    }
    if (cursor_ == size_) {
      return kWorstKey;
    }
    const Key key = keys_[cursor_];
    keys_[cursor_] |= kExpanded;
    return key;
  }

 private:
  /// Few keys at a time, as a rule: three of eighteen links lead to somewhere near.
  static void Sort(Key* keys, size_t count) {
    constexpr size_t kFew = 16;
    if (count > kFew) {
      std::sort(keys, keys + count);
      return;
    }
    for (size_t i = 1; i < count; ++i) {
      const Key key = keys[i];
      size_t j = i;
      for (; j > 0 && keys[j - 1] > key; --j) {
        keys[j] = keys[j - 1];
      }
      keys[j] = key;
    }
  }

  /// First position whose key is not smaller. By masks and not by conditions, which compilers turn
  /// into jumps: where a new distance falls is a coin toss no branch predictor wins.
  [[nodiscard]] size_t LowerBound(Key key) const {
    const Key* base = keys_.data();
    size_t n = size_;
    while (n > 1) {
      const size_t half = n / 2;
      const size_t smaller = base[half - 1] < key ? 1U : 0U;
      base += (0 - smaller) & half;
      n -= half;
    }
    return static_cast<size_t>(base - keys_.data()) + (n == 1 && *base < key ? 1U : 0U);
  }

  std::vector<Key> keys_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  size_t cursor_ = 0;
};

}  // namespace leadline::index::hnsw
