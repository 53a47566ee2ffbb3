#pragma once

// Sums of table entries without a look-up of 64 bytes: bytes are transposed, so that one register
// holds codes of one sub-quantiser. W is what wide_codes.h describes; internal linkage as there.

#include <cstddef>
#include <cstdint>

#include "code_loops.h"
#include "leadline/simd/code_kernels.h"

namespace {

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
                   const uint8_t* /*next*/, int32_t* out) {
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
