#pragma once

// The tile registers of AMX. Internal linkage, as kernel_loops.h explains.
//
// The instructions are written out here: the intrinsics of g++ 12 do not say that they read memory,
// so that the optimiser drops the stores before them.

#include <cstddef>
#include <cstdint>

namespace {

inline constexpr size_t kTileRows = 16;
inline constexpr size_t kTileRowBytes = 64;

/// Operand of ldtilecfg: the shape of each register. One with no rows is not in use.
struct alignas(64) TileShapes {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  void Set(int tile, size_t row_count) {
    rows[tile] = static_cast<uint8_t>(row_count);
    row_bytes[tile] = row_count == 0 ? 0 : kTileRowBytes;
  }
};

static_assert(sizeof(TileShapes) == 64);

/// Clears the tile registers and gives them shapes.
inline void Configure(const TileShapes& shapes) {
  asm volatile("ldtilecfg %0" : : "m"(shapes) : "memory");
}

inline void Release() {
  asm volatile("tilerelease" : : : "memory");
}

template <int kTile>
inline void Clear() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kTile));
}

template <int kTile>
inline void Load(const void* rows, size_t stride_bytes) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2"
               :
               : "r"(rows), "r"(stride_bytes), "i"(kTile)
               : "memory");
}

template <int kTile>
inline void Store(void* rows, size_t stride_bytes) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)"
               :
               : "r"(rows), "r"(stride_bytes), "i"(kTile)
               : "memory");
}

}  // namespace
