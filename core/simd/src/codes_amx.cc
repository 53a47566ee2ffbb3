// Compiled with the AMX tile and int8 instructions; runs only where the CPU has them and the kernel
// of the operating system let this process use them.
#include "amx_tiles.h"
#include "levels.h"

namespace {

using leadline::simd::kBlockRows;
using leadline::simd::kCodeBytes;

/// Numbers of the tile registers: sums [query tile][block], then queries, then blocks.
constexpr int kSums[2][2] = {{0, 1}, {2, 3}};
constexpr int kQueries[2] = {4, 5};
constexpr int kBlocks[2] = {6, 7};

/// sums[m][n] += sum over k < 16, j < 4 of queries[m][4k + j] (signed) * block[k][4n + j]
/// (unsigned).
template <int kSumTile, int kQueryTile, int kBlockTile>
inline void AddProducts() {
  asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0"
               :
               : "i"(kSumTile), "i"(kQueryTile), "i"(kBlockTile));
}

/// The lines of one or two blocks behind their last sixteen whole ones, filled up to sixteen. What
/// they are filled with meets zeros of the query.
struct Tail {
  alignas(64) uint8_t lines[2][kTileRows * kCodeBytes] = {};

  void Copy(const uint8_t* blocks, size_t block_count, size_t groups) {
    const size_t whole = groups / kTileRows * kTileRows;
    for (size_t b = 0; b < block_count; ++b) {
      __builtin_memcpy(lines[b], blocks + (b * groups + whole) * kCodeBytes,
                       (groups - whole) * kCodeBytes);
    }
  }
};

/// Adds sixteen lines of each block, given by its first line, to the sums.
template <size_t kQueryTiles, size_t kBlockTiles>
inline void AddLines(const int8_t* queries, size_t query_stride, const uint8_t* const* lines) {
  Load<kQueries[0]>(queries, query_stride);
  Load<kBlocks[0]>(lines[0], kCodeBytes);
  AddProducts<kSums[0][0], kQueries[0], kBlocks[0]>();
  if constexpr (kBlockTiles == 2) {
    Load<kBlocks[1]>(lines[1], kCodeBytes);
    AddProducts<kSums[0][1], kQueries[0], kBlocks[1]>();
  }
  if constexpr (kQueryTiles == 2) {
    Load<kQueries[1]>(queries + kTileRows * query_stride, query_stride);
    AddProducts<kSums[1][0], kQueries[1], kBlocks[0]>();
    if constexpr (kBlockTiles == 2) {
      AddProducts<kSums[1][1], kQueries[1], kBlocks[1]>();
    }
  }
}

template <size_t kQueryTiles, size_t kBlockTiles>
void SumTiles(const int8_t* queries, size_t query_stride, const uint8_t* blocks, size_t groups,
              Tail* tail, int32_t* out, size_t out_stride) {
  Clear<kSums[0][0]>();
  Clear<kSums[0][1]>();
  if constexpr (kQueryTiles == 2) {
    Clear<kSums[1][0]>();
    Clear<kSums[1][1]>();
  }
  size_t g = 0;
  for (; g + kTileRows <= groups; g += kTileRows) {
    const uint8_t* const lines[2] = {blocks + g * kCodeBytes, blocks + (groups + g) * kCodeBytes};
    AddLines<kQueryTiles, kBlockTiles>(queries + 4 * g, query_stride, lines);
  }
  if (g < groups) {
    tail->Copy(blocks, kBlockTiles, groups);
    const uint8_t* const lines[2] = {tail->lines[0], tail->lines[1]};
    AddLines<kQueryTiles, kBlockTiles>(queries + 4 * g, query_stride, lines);
  }
  const size_t out_bytes = out_stride * sizeof(int32_t);
  Store<kSums[0][0]>(out, out_bytes);
  if constexpr (kBlockTiles == 2) {
    Store<kSums[0][1]>(out + kBlockRows, out_bytes);
  }
  if constexpr (kQueryTiles == 2) {
    int32_t* const second = out + kTileRows * out_stride;
    Store<kSums[1][0]>(second, out_bytes);
    if constexpr (kBlockTiles == 2) {
      Store<kSums[1][1]>(second + kBlockRows, out_bytes);
    }
  }
}

/// Queries that fill one or two tiles, as configured, against all blocks.
template <size_t kQueryTiles>
void SumBlocks(const int8_t* queries, size_t query_stride, const uint8_t* blocks,
               size_t block_count, size_t groups, int32_t* out, size_t out_stride) {
  Tail tail;
  size_t b = 0;
  for (; b + 2 <= block_count; b += 2) {
    SumTiles<kQueryTiles, 2>(queries, query_stride, blocks + b * groups * kCodeBytes, groups, &tail,
                             out + b * kBlockRows, out_stride);
  }
  if (b < block_count) {
    SumTiles<kQueryTiles, 1>(queries, query_stride, blocks + b * groups * kCodeBytes, groups, &tail,
                             out + b * kBlockRows, out_stride);
  }
}

TileShapes ShapesFor(size_t query_count) {
  const size_t first = query_count < kTileRows ? query_count : kTileRows;
  TileShapes shapes;
  for (int b = 0; b < 2; ++b) {
    shapes.Set(kSums[0][b], first);
    shapes.Set(kSums[1][b], query_count - first);
    shapes.Set(kBlocks[b], kTileRows);
  }
  shapes.Set(kQueries[0], first);
  shapes.Set(kQueries[1], query_count - first);
  return shapes;
}

}  // namespace

namespace leadline::simd::amx {

void BlockSums(const int8_t* queries, size_t query_stride, size_t query_count,
               const uint8_t* blocks, size_t block_count, size_t groups, int32_t* out,
               size_t out_stride) {
  // A product of tiles takes as long for one query as for sixteen.
  constexpr size_t kFewQueries = 3;
  if (query_count <= kFewQueries) {
    kAvx512VnniCodes.block_sums(queries, query_stride, query_count, blocks, block_count, groups,
                                out, out_stride);
    return;
  }
  // Blocks stay in the second-level cache, 2 MiB, while query after query passes over them.
  constexpr size_t kChunkBytes = size_t{512} << 10U;
  const size_t block_bytes = groups * kCodeBytes;
  const size_t fitting = kChunkBytes / (2 * block_bytes) * 2;
  const size_t most = fitting < 2 ? 2 : fitting;
  for (size_t b = 0; b < block_count; b += most) {
    const size_t some = block_count - b < most ? block_count - b : most;
    for (size_t q = 0; q < query_count; q += 2 * kTileRows) {
      const size_t left = query_count - q;
      const size_t tile_queries = left < 2 * kTileRows ? left : 2 * kTileRows;
      Configure(ShapesFor(tile_queries));
      const auto sum = tile_queries > kTileRows ? SumBlocks<2> : SumBlocks<1>;
      sum(queries + q * query_stride, query_stride, blocks + b * block_bytes, some, groups,
          out + q * out_stride + b * kBlockRows, out_stride);
    }
  }
  Release();
}

}  // namespace leadline::simd::amx
