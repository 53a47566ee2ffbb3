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
    Query query;
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
template <class W>
struct WideQueries {
  static constexpr size_t kGroups = 64;

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
  WideQueries<W> wide;
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

/// out[t] gets byte t of each 32 bits of all four registers: in each 128-bit lane those of in[0],
/// in [1], in[2] and in[3] after each other.
template <class W>
[[gnu::always_inline]] inline void TransposeBytes(const typename W::Vec* in, typename W::Vec* out) {
  alignas(16) static constexpr uint8_t kByPlace[16] = {0, 4, 8,  12, 1, 5, 9,  13,
                                                       2, 6, 10, 14, 3, 7, 11, 15};
  const typename W::Vec by_place = W::BroadcastTable(kByPlace);
  typename W::Vec v[4];
  Unrolled<4>([&](auto j) __attribute__((always_inline)) {
    v[j.kValue] = W::LookUp(in[j.kValue], by_place);
  });
  const typename W::Vec low01 = W::UnpackLow32(v[0], v[1]);
  const typename W::Vec high01 = W::UnpackHigh32(v[0], v[1]);
  const typename W::Vec low23 = W::UnpackLow32(v[2], v[3]);
  const typename W::Vec high23 = W::UnpackHigh32(v[2], v[3]);
  out[0] = W::UnpackLow64(low01, low23);
  out[1] = W::UnpackHigh64(low01, low23);
  out[2] = W::UnpackLow64(high01, high23);
  out[3] = W::UnpackHigh64(high01, high23);
}

/// Sums of table entries of four strips, 16 bits each: `all` counts an entry at an odd place 256
/// times, `odd` those alone.
template <class W>
struct TableTotals {
  typename W::Vec all = W::Zero();
  typename W::Vec odd = W::Zero();

  [[gnu::always_inline]] void Add(typename W::Vec entries) {
    all = W::Add16(all, entries);
    odd = W::Add16(odd, W::template Right16<8>(entries));
  }
};

/// Adds the sums over `lines` lines, at most kLinesOfTotal, to those of four strips.
template <class W>
[[gnu::always_inline]] inline void AddLines(const uint8_t* tables, const uint8_t* const* strips,
                                            size_t lines, int32_t* const* out) {
  TableTotals<W> totals;
  const typename W::Vec mask = W::Set8(15);
  for (size_t l = 0; l < lines; ++l, tables += leadline::simd::kPqPerLine * 16) {
    typename W::Vec codes[4];
    Unrolled<4>([&](auto s) __attribute__((always_inline)) {
      codes[s.kValue] = W::Load(strips[s.kValue] + l * leadline::simd::kCodeBytes);
    });
    typename W::Vec places[4];
    TransposeBytes<W>(codes, places);
    Unrolled<4>([&](auto t) __attribute__((always_inline)) {
      const typename W::Vec low = W::And(places[t.kValue], mask);
      const typename W::Vec high = W::And(W::template Right16<4>(places[t.kValue]), mask);
      totals.Add(W::LookUp(W::BroadcastTable(tables + t.kValue * 16), low));
      totals.Add(W::LookUp(W::BroadcastTable(tables + (4 + t.kValue) * 16), high));
    });
  }
  const typename W::Vec even = W::Sub16(totals.all, W::template Left16<8>(totals.odd));
  const typename W::Vec first = W::UnpackLow16(even, totals.odd);
  const typename W::Vec second = W::UnpackHigh16(even, totals.odd);
  // Four rows of one strip in each lane of these.
  const typename W::Vec rows[4] = {
      W::UnpackLow16(first, W::Zero()), W::UnpackHigh16(first, W::Zero()),
      W::UnpackLow16(second, W::Zero()), W::UnpackHigh16(second, W::Zero())};
  Unrolled<4>([&](auto s) __attribute__((always_inline)) {
    int32_t* p = out[s.kValue];
    W::Store(p, W::Add32(W::Load(p), rows[s.kValue]));
  });
}

template <class W>
void WideTableSums(const uint8_t* tables, const uint8_t* blocks, size_t lines, size_t block_count,
                   int32_t* out) {
  using leadline::simd::kBlockRows;
  using leadline::simd::kCodeBytes;
  constexpr size_t kStripsOfBlock = kCodeBytes / W::kBytes;
  constexpr size_t kRows = W::kBytes / 4;
  // 256 entries of at most 255 fit 16 bits.
  constexpr size_t kLinesOfTotal = 256 / leadline::simd::kPqPerLine;
  for (size_t i = 0; i < block_count * kBlockRows; ++i) {
    out[i] = 0;
  }
  const size_t strip_count = block_count * kStripsOfBlock;
  for (size_t first = 0; first < strip_count; first += 4) {
    for (size_t l = 0; l < lines; l += kLinesOfTotal) {
      const uint8_t* strips[4];
      int32_t* sums[4];
      int32_t spare[kRows] = {};
      for (size_t s = 0; s < 4; ++s) {
        const size_t strip = first + s < strip_count ? first + s : first;
        strips[s] = blocks + (strip / kStripsOfBlock * lines + l) * kCodeBytes +
                    strip % kStripsOfBlock * W::kBytes;
        sums[s] = first + s < strip_count ? out + strip * kRows : spare;
      }
      AddLines<W>(tables + l * leadline::simd::kPqPerLine * 16, strips,
                  lines - l < kLinesOfTotal ? lines - l : kLinesOfTotal, sums);
    }
  }
}

}  // namespace
