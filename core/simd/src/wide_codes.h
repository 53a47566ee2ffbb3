#pragma once

// Kernels on codes without instructions for sums of byte products: bytes are widened to 16 bits,
// where no product is lost. Compiled with several instruction sets: all of it has internal linkage,
// as kernel_loops.h explains.
//
// A level supplies a struct W, its registers and what it does with them:
//   Vec, kBytes            a register of kBytes bytes, 64 or half of it
//   kQueries, kStrips      queries and registers of rows that are summed together
//   Load(p), Store(p, v)   unaligned
//   Zero(), Set8(x), Set16(x), Set32(x)   every lane the same
//   And, Add16, Sub16, Add32, Left16<bits>, Right16<bits> (zeros come in), RightSigned16<bits>
//   MulAddBytes(u, s)      16-bit sums of two products of unsigned and signed bytes, saturated
//   MulAdd16(a, b)         32-bit sums of two products
//   LookUp(table, index), BroadcastTable(p)   16 bytes, the same for each 128-bit lane
//   UnpackLow/High 16, 32, 64                 within 128-bit lanes
//   kRows, StoreLaneSums(v, out)   out[r] = the sum of the 32-bit lanes of v[r], r < kRows

#include <cstddef>
#include <cstdint>

#include "code_loops.h"
#include "leadline/simd/code_kernels.h"

namespace {

/// Numbers at even and at odd places, 16 bits each.
template <class W>
struct EvenOdd {
  typename W::Vec even;
  typename W::Vec odd;
};

template <class W>
[[gnu::always_inline]] inline EvenOdd<W> WidenSigned(typename W::Vec numbers) {
  return {W::template RightSigned16<8>(W::template Left16<8>(numbers)),
          W::template RightSigned16<8>(numbers)};
}

template <class W>
[[gnu::always_inline]] inline EvenOdd<W> WidenUnsigned(typename W::Vec codes) {
  return {W::And(codes, W::Set16(255)), W::template Right16<8>(codes)};
}

template <class W>
[[gnu::always_inline]] inline typename W::Vec AddProducts(typename W::Vec sum, const EvenOdd<W>& a,
                                                          const EvenOdd<W>& b) {
  return W::Add32(W::Add32(sum, W::MulAdd16(a.even, b.even)), W::MulAdd16(a.odd, b.odd));
}

/// Format of GatherSums: 8-bit codes.
template <class W>
struct WideSq8 {
  using Row = uint8_t;
  using Number = int8_t;
  using Result = int32_t;
  using Query = EvenOdd<W>;
  using Sum = typename W::Vec;
  static constexpr size_t kRows = W::kRows;
  static constexpr size_t kRowStep = W::kBytes;
  static constexpr size_t kQueryStep = W::kBytes;

  static Query LoadQuery(const int8_t* p) { return WidenSigned<W>(W::Load(p)); }

  static Sum Zero() { return W::Zero(); }

  static void Add(Sum* sum, const Query& q, const uint8_t* row) {
    *sum = AddProducts<W>(*sum, WidenUnsigned<W>(W::Load(row)), q);
  }

  static void Reduce(const Sum* sums, int32_t* out) { W::StoreLaneSums(sums, out); }
};

/// Format of GatherSums: 4-bit codes. Sums of 16 bits hold eight products of at most 15 * 128.
template <class W>
struct WideSq4 {
  static constexpr size_t kParts = leadline::simd::kCodeBytes / W::kBytes;

  using Row = uint8_t;
  using Number = int8_t;
  using Result = int32_t;

  struct Query {
    typename W::Vec low[kParts];
    typename W::Vec high[kParts];
  };

  using Sum = typename W::Vec;
  static constexpr size_t kRows = W::kRows;
  static constexpr size_t kRowStep = leadline::simd::kCodeBytes;
  static constexpr size_t kQueryStep = 2 * leadline::simd::kCodeBytes;

  static Query LoadQuery(const int8_t* p) {
    Query query;  // NOLINT(cppcoreguidelines-pro-type-member-init): all of it is set below
    Unrolled<kParts>([&](auto part) __attribute__((always_inline)) {
      query.low[part.kValue] = W::Load(p + part.kValue * W::kBytes);
      query.high[part.kValue] = W::Load(p + leadline::simd::kCodeBytes + part.kValue * W::kBytes);
    });
    return query;
  }

  static Sum Zero() { return W::Zero(); }

  static void Add(Sum* sum, const Query& q, const uint8_t* row) {
    const typename W::Vec mask = W::Set8(15);
    typename W::Vec products = W::Zero();
    Unrolled<kParts>([&](auto part) __attribute__((always_inline)) {
      const typename W::Vec codes = W::Load(row + part.kValue * W::kBytes);
      const typename W::Vec high = W::And(W::template Right16<4>(codes), mask);
      products =
          W::Add16(products, W::Add16(W::MulAddBytes(W::And(codes, mask), q.low[part.kValue]),
                                      W::MulAddBytes(high, q.high[part.kValue])));
    });
    *sum = W::Add32(*sum, W::MulAdd16(products, W::Set16(1)));
  }

  static void Reduce(const Sum* sums, int32_t* out) { W::StoreLaneSums(sums, out); }
};

/// Groups of four numbers of some queries, widened: EvenOdd of one group in each 32 bits.
/// So many that blocks of up to 2,048 values are read from end to end: the CPU fetches such ahead.
template <class W>
struct WideQueries {
  static constexpr size_t kGroups = 512;

  alignas(64) int32_t even[W::kQueries][kGroups];
  alignas(64) int32_t odd[W::kQueries][kGroups];

  void Load(size_t count, const int8_t* queries, size_t query_stride, size_t groups) {
    for (size_t q = 0; q < count; ++q) {
      for (size_t g = 0; g < groups; g += W::kBytes / 4) {
        const EvenOdd<W> wide = WidenSigned<W>(W::Load(queries + q * query_stride + 4 * g));
        W::Store(even[q] + g, wide.even);
        W::Store(odd[q] + g, wide.odd);
      }
    }
  }
};

/// A strip is what a register holds of each line of a block: kBytes / 4 rows. Adds to `out` the
/// sums of kQueries queries with kStrips strips over `groups` groups.
template <class W, size_t kQueries, size_t kStrips>
[[gnu::noinline]] void AddStrips(const WideQueries<W>& queries, const uint8_t* const* strips,
                                 size_t groups, int32_t* out, size_t out_stride) {
  constexpr size_t kRows = W::kBytes / 4;
  typename W::Vec sums[kQueries * kStrips];
  Unrolled<kQueries * kStrips>([&](auto j) __attribute__((always_inline)) {
    sums[j.kValue] = W::Load(out + j.kValue / kStrips * out_stride + j.kValue % kStrips * kRows);
  });
  for (size_t g = 0; g < groups; ++g) {
    EvenOdd<W> codes[kStrips];
    Unrolled<kStrips>([&](auto s) __attribute__((always_inline)) {
      codes[s.kValue] =
          WidenUnsigned<W>(W::Load(strips[s.kValue] + g * leadline::simd::kCodeBytes));
    });
    Unrolled<kQueries>([&](auto q) __attribute__((always_inline)) {
      const EvenOdd<W> numbers = {W::Set32(queries.even[q.kValue][g]),
                                  W::Set32(queries.odd[q.kValue][g])};
      Unrolled<kStrips>([&](auto s) __attribute__((always_inline)) {
        typename W::Vec& sum = sums[q.kValue * kStrips + s.kValue];
        sum = AddProducts<W>(sum, codes[s.kValue], numbers);
      });
    });
  }
  Unrolled<kQueries * kStrips>([&](auto j) __attribute__((always_inline)) {
    W::Store(out + j.kValue / kStrips * out_stride + j.kValue % kStrips * kRows, sums[j.kValue]);
  });
}

/// kQueries queries against all strips of `block_count` blocks.
template <class W, size_t kQueries>
void SumStrips(const int8_t* queries, size_t query_stride, const uint8_t* blocks,
               size_t block_count, size_t groups, int32_t* out, size_t out_stride) {
  using leadline::simd::kBlockRows;
  using leadline::simd::kCodeBytes;
  constexpr size_t kStripsOfBlock = kCodeBytes / W::kBytes;
  for (size_t q = 0; q < kQueries; ++q) {
    for (size_t i = 0; i < block_count * kBlockRows; ++i) {
      out[q * out_stride + i] = 0;
    }
  }
  WideQueries<W> wide;  // NOLINT(cppcoreguidelines-pro-type-member-init): loaded below
  for (size_t g = 0; g < groups; g += WideQueries<W>::kGroups) {
    const size_t some = groups - g < WideQueries<W>::kGroups ? groups - g : WideQueries<W>::kGroups;
    wide.Load(kQueries, queries + 4 * g, query_stride, some);
    ForGroups<W::kStrips>(block_count * kStripsOfBlock, [&](auto tile, size_t first) {
      const uint8_t* strips[tile.kValue];
      for (size_t s = 0; s < tile.kValue; ++s) {
        strips[s] = blocks + ((first + s) / kStripsOfBlock * groups + g) * kCodeBytes +
                    (first + s) % kStripsOfBlock * W::kBytes;
      }
      AddStrips<W, kQueries, tile.kValue>(wide, strips, some, out + first * (W::kBytes / 4),
                                          out_stride);
    });
  }
}

template <class W>
void WideBlockSums(const int8_t* queries, size_t query_stride, size_t query_count,
                   const uint8_t* blocks, size_t block_count, size_t groups, int32_t* out,
                   size_t out_stride) {
  // They stay in the second-level cache while query after query passes over them.
  constexpr size_t kChunkBlocks = 16;
  for (size_t b = 0; b < block_count; b += kChunkBlocks) {
    const size_t some = block_count - b < kChunkBlocks ? block_count - b : kChunkBlocks;
    ForGroups<W::kQueries>(query_count, [&](auto tile, size_t q) {
      SumStrips<W, tile.kValue>(queries + q * query_stride, query_stride,
                                blocks + b * groups * leadline::simd::kCodeBytes, some, groups,
                                out + q * out_stride + b * leadline::simd::kBlockRows, out_stride);
    });
  }
}

}  // namespace
