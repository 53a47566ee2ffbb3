#pragma once

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
/// Thread-compatible; the memory is kept from one use to the next.
class CandidatePool {
 public:
  void Reset(size_t capacity) {
    if (keys_.size() < capacity + 1) {
      keys_.resize(capacity + 1);  // one slot more: a key may fall off the end while inserting
    }
    capacity_ = capacity;
    size_ = 0;
    cursor_ = 0;
  }

  [[nodiscard]] size_t size() const { return size_; }

  [[nodiscard]] Key operator[](size_t i) const { return keys_[i] & ~kExpanded; }

  /// Keys that are not smaller cannot enter.
  [[nodiscard]] Key worst() const { return size_ < capacity_ ? kWorstKey : keys_[size_ - 1]; }

  /// Takes `key`, which is smaller than worst() and not in the pool. Returns how many unexpanded
  /// or expanded keys lie between the cursor and it.
  size_t Insert(Key key) {
    const size_t position = LowerBound(key);
    std::memmove(keys_.data() + position + 1, keys_.data() + position,
                 (size_ - position) * sizeof(Key));
    keys_[position] = key;
    size_ += size_ < capacity_ ? 1U : 0U;
    if (position < cursor_) {
      cursor_ = position;
    }
    return position - cursor_;
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
  /// First position whose key is not smaller. The loop compiles to conditional moves: where a new
  /// distance falls is a coin toss no branch predictor wins.
  [[nodiscard]] size_t LowerBound(Key key) const {
    const Key* base = keys_.data();
    size_t n = size_;
    while (n > 1) {
      const size_t half = n / 2;
      base += base[half - 1] < key ? half : 0;
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
