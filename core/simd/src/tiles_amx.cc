// Compiled with the AMX tile and int8 instructions; runs only where the CPU has them and the kernel
// of the operating system let this process use them.
#include "amx_tiles.h"
#include "levels.h"

namespace {

using leadline::simd::kPackLanes;

/// Numbers of the tile registers: sums [row tile][pack], then rows, then packs.
constexpr int kSums[2][2] = {{0, 1}, {2, 3}};
constexpr int kRows[2] = {4, 5};
constexpr int kPacks[2] = {6, 7};

/// Rows that pass over the packs together.
constexpr size_t kPassRows = 2 * kTileRows;
/// Listed rows lie anywhere; a tile wants them at one distance. Copies of this length, in all 64
/// KiB, still lie in the second-level cache.
constexpr size_t kMostCopied = 2048;

/// sums[m][l] += sum over g < 16, j < 4 of rows[m][4g + j] (unsigned) * pack[g][4l + j] (signed).
template <int kSumTile, int kRowTile, int kPackTile>
inline void AddProducts() {
  asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0"
               :
               : "i"(kSumTile), "i"(kRowTile), "i"(kPackTile));
}

/// One or two tiles of rows, as configured, with one or two packs.
template <size_t kRowTiles, size_t kPackTiles>
void SumProducts(const uint8_t* rows, size_t stride, size_t n, const int8_t* packed, int32_t* out,
                 size_t out_stride) {
  Clear<kSums[0][0]>();
  Clear<kSums[0][1]>();
  if constexpr (kRowTiles == 2) {
    Clear<kSums[1][0]>();
    Clear<kSums[1][1]>();
  }
  for (size_t j = 0; j < n; j += kTileRowBytes) {
    const int8_t* lines = packed + j * kPackLanes;
    Load<kRows[0]>(rows + j, stride);
    Load<kPacks[0]>(lines, kTileRowBytes);
    AddProducts<kSums[0][0], kRows[0], kPacks[0]>();
    if constexpr (kPackTiles == 2) {
      Load<kPacks[1]>(lines + n * kPackLanes, kTileRowBytes);
      AddProducts<kSums[0][1], kRows[0], kPacks[1]>();
    }
    if constexpr (kRowTiles == 2) {
      Load<kRows[1]>(rows + kTileRows * stride + j, stride);
      AddProducts<kSums[1][0], kRows[1], kPacks[0]>();
      if constexpr (kPackTiles == 2) {
        AddProducts<kSums[1][1], kRows[1], kPacks[1]>();
      }
    }
  }
  const size_t out_bytes = out_stride * sizeof(int32_t);
  Store<kSums[0][0]>(out, out_bytes);
  if constexpr (kPackTiles == 2) {
    Store<kSums[0][1]>(out + kPackLanes, out_bytes);
  }
  if constexpr (kRowTiles == 2) {
    int32_t* const second = out + kTileRows * out_stride;
    Store<kSums[1][0]>(second, out_bytes);
    if constexpr (kPackTiles == 2) {
      Store<kSums[1][1]>(second + kPackLanes, out_bytes);
    }
  }
}

/// Rows that fill one or two tiles, as configured, with all packs.
template <size_t kRowTiles>
void SumPacks(const uint8_t* rows, size_t stride, size_t n, const int8_t* packed, size_t packs,
              int32_t* out, size_t out_stride) {
  size_t p = 0;
  for (; p + 2 <= packs; p += 2) {
    SumProducts<kRowTiles, 2>(rows, stride, n, packed + p * n * kPackLanes, out + p * kPackLanes,
                              out_stride);
  }
  if (p < packs) {
    SumProducts<kRowTiles, 1>(rows, stride, n, packed + p * n * kPackLanes, out + p * kPackLanes,
                              out_stride);
  }
}

TileShapes ShapesFor(size_t row_count) {
  const size_t first = row_count < kTileRows ? row_count : kTileRows;
  TileShapes shapes;
  for (int p = 0; p < 2; ++p) {
    shapes.Set(kSums[0][p], first);
    shapes.Set(kSums[1][p], row_count - first);
    shapes.Set(kPacks[p], kTileRows);
  }
  shapes.Set(kRows[0], first);
  shapes.Set(kRows[1], row_count - first);
  return shapes;
}

/// Calls body(first, count) for passes of kPassRows rows and one of what is left, configured.
template <class Body>
void ForPasses(size_t row_count, const Body& body) {
  size_t configured = 0;
  for (size_t r = 0; r < row_count; r += kPassRows) {
    const size_t count = row_count - r < kPassRows ? row_count - r : kPassRows;
    if (count != configured) {
      Configure(ShapesFor(count));
      configured = count;
    }
    body(r, count);
  }
  if (configured != 0) {
    Release();
  }
}

void SumConsecutive(const uint8_t* codes, size_t stride, size_t row_count, size_t n,
                    const int8_t* packed, size_t packs, int32_t* out, size_t out_stride) {
  ForPasses(row_count, [&](size_t r, size_t count) {
    const auto sum = count > kTileRows ? SumPacks<2> : SumPacks<1>;
    sum(codes + r * stride, stride, n, packed, packs, out + r * out_stride, out_stride);
  });
}

void SumListed(const uint8_t* codes, size_t stride, const uint32_t* ids, size_t row_count, size_t n,
               const int8_t* packed, size_t packs, int32_t* out, size_t out_stride) {
  alignas(64) uint8_t copies[kPassRows * kMostCopied];
  ForPasses(row_count, [&](size_t r, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      __builtin_memcpy(copies + i * n, codes + ids[r + i] * stride, n);
    }
    const auto sum = count > kTileRows ? SumPacks<2> : SumPacks<1>;
    sum(copies, n, n, packed, packs, out + r * out_stride, out_stride);
  });
}

}  // namespace

namespace leadline::simd::amx {

void PackedSums(const uint8_t* codes, size_t stride, const uint32_t* ids, size_t row_count,
                size_t n, const int8_t* packed, size_t packs, int32_t* out, size_t out_stride) {
  if (ids == nullptr) {
    SumConsecutive(codes, stride, row_count, n, packed, packs, out, out_stride);
  } else if (n <= kMostCopied) {
    SumListed(codes, stride, ids, row_count, n, packed, packs, out, out_stride);
  } else {
    kAvx512VnniTiles.packed_sums(codes, stride, ids, row_count, n, packed, packs, out, out_stride);
  }
}

}  // namespace leadline::simd::amx
