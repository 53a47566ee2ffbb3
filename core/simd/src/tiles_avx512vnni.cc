// Compiled with AVX-512 and its VNNI part; runs only where the CPU has them.
#include <immintrin.h>

#include "levels.h"
#include "tiles_avx512.h"

namespace {

using leadline::simd::kPackedStep;
using leadline::simd::kPackLanes;

/// kRows rows with kPacks packs: four bytes of a row go to all lanes, each line is loaded once.
template <size_t kRows, size_t kPacks>
[[gnu::noinline]] void SumProducts(const uint8_t* const* rows, size_t n, const int8_t* packed,
                                   int32_t* out, size_t out_stride) {
  __m512i sums[kRows * kPacks];
  Unrolled<kRows * kPacks>([&](auto j) __attribute__((always_inline)) {
    sums[j.kValue] = _mm512_setzero_si512();
  });
  const uint8_t* row[kRows];
  Unrolled<kRows>([&](auto r) __attribute__((always_inline)) { row[r.kValue] = rows[r.kValue]; });
  const size_t pack_bytes = n * kPackLanes;
  for (size_t i = 0; i < n; i += 4, packed += kPackedStep) {
    __m512i lines[kPacks];
    Unrolled<kPacks>([&](auto p) __attribute__((always_inline)) {
      lines[p.kValue] = _mm512_load_si512(packed + p.kValue * pack_bytes);
    });
    Unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
      int32_t four;
      __builtin_memcpy(&four, row[r.kValue] + i, sizeof(four));
      const __m512i bytes = _mm512_set1_epi32(four);
      Unrolled<kPacks>([&](auto p) __attribute__((always_inline)) {
        __m512i& sum = sums[r.kValue * kPacks + p.kValue];
        sum = _mm512_dpbusd_epi32(sum, bytes, lines[p.kValue]);
      });
    });
  }
  Unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
    Unrolled<kPacks>([&](auto p) __attribute__((always_inline)) {
      _mm512_storeu_si512(out + r.kValue * out_stride + p.kValue * kPackLanes,
                          sums[r.kValue * kPacks + p.kValue]);
    });
  });
}

/// One row with many packs: eight sums at a time hide the latency of a sum.
void SumOneRow(const uint8_t* row, size_t n, const int8_t* packed, size_t packs, int32_t* out) {
  size_t p = 0;
  const auto pass = [&](auto tile_packs) __attribute__((always_inline)) {
    for (; p + tile_packs.kValue <= packs; p += tile_packs.kValue) {
      SumProducts<1, tile_packs.kValue>(&row, n, packed + p * n * kPackLanes, out + p * kPackLanes,
                                        0);
    }
  };
  pass(Constant<8>());
  pass(Constant<4>());
  pass(Constant<1>());
}

void PackedSums(const uint8_t* codes, size_t stride, const uint32_t* ids, size_t row_count,
                size_t n, const int8_t* packed, size_t packs, int32_t* out, size_t out_stride) {
  if (row_count == 1 && packs > 2) {
    SumOneRow(codes + (ids == nullptr ? 0 : ids[0]) * stride, n, packed, packs, out);
    return;
  }
  for (size_t begin = 0; begin < row_count; begin += kChunkRows) {
    const size_t count = row_count - begin < kChunkRows ? row_count - begin : kChunkRows;
    const uint8_t* rows[kChunkRows];
    for (size_t r = 0; r < count; ++r) {
      rows[r] = codes + (ids == nullptr ? begin + r : ids[begin + r]) * stride;
    }
    ForTiles<12, 2>(
        count, packs,
        [&](auto tile_rows, auto tile_packs, size_t r, size_t p) __attribute__((always_inline)) {
          SumProducts<tile_rows.kValue, tile_packs.kValue>(
              rows + r, n, packed + p * n * kPackLanes,
              out + (begin + r) * out_stride + p * kPackLanes, out_stride);
        });
  }
}

}  // namespace

namespace leadline::simd {

constinit const TileKernels kAvx512VnniTiles = {kLineValues,         avx512::PackQueries,
                                                PackedSums,          avx512::TileHits,
                                                avx512::TileNearest, avx512::TileDistances};

}  // namespace leadline::simd
