#pragma once

// What the levels with 512-bit registers share. Internal linkage, as kernel_loops.h explains.

#include <immintrin.h>

#include "kernel_loops.h"
#include "leadline/simd/tile_kernels.h"

namespace {

/// Calls body(constant rows, constant packs, first row, first pack) for tiles that cover `rows` x
/// `packs`, of kRows rows x kPacks packs where that many are left. Packs change slower: those of a
/// tile stay in the first-level cache while rows pass.
template <size_t kRows, size_t kPacks, class Body>
[[gnu::always_inline]] inline void ForTiles(size_t rows, size_t packs, Body&& body) {
  size_t p = 0;
  const auto pass = [&](auto tile_packs) __attribute__((always_inline)) {
    size_t r = 0;
    for (; r + kRows <= rows; r += kRows) {
      body(Constant<kRows>(), tile_packs, r, p);
    }
    const auto rest = [&](auto tile_rows) __attribute__((always_inline)) {
      if (r + tile_rows.kValue <= rows) {
        body(tile_rows, tile_packs, r, p);
        r += tile_rows.kValue;
      }
    };
    if constexpr (kRows > 8) {
      rest(Constant<8>());
    }
    rest(Constant<4>());
    rest(Constant<2>());
    rest(Constant<1>());
    return tile_packs.kValue;
  };
  while (p + kPacks <= packs) {
    p += pass(Constant<kPacks>());
  }
  if constexpr (kPacks > 1) {
    while (p < packs) {
      p += pass(Constant<1>());
    }
  }
}

/// Rows that stay in the second-level cache while pack after pack passes over them.
inline constexpr size_t kChunkRows = 96;

}  // namespace
