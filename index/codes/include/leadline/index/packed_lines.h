#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "leadline/simd/tile_kernels.h"

namespace leadline::index {

/// Room for packed queries of one length, on cache lines (leadline/simd/tile_kernels.h).
class PackedLines {
 public:
  /// For `packs` packs of queries of `n` values, of which nothing is known yet.
  void Resize(size_t packs, size_t n) {
    length_ = n;
    lines_.resize(simd::PackedBytes(packs, n) / sizeof(Line));
  }

  [[nodiscard]] int8_t* pack(size_t pack) {
    return reinterpret_cast<int8_t*>(lines_.data()) + simd::PackedBytes(pack, length_);
  }

  [[nodiscard]] const int8_t* pack(size_t pack) const {
    return reinterpret_cast<const int8_t*>(lines_.data()) + simd::PackedBytes(pack, length_);
  }

  [[nodiscard]] size_t resident_bytes() const { return lines_.capacity() * sizeof(Line); }

 private:
  struct alignas(64) Line {
    int8_t values[64];
  };

  size_t length_ = 0;
  std::vector<Line> lines_;
};

}  // namespace leadline::index
