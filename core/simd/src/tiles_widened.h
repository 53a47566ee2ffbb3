#pragma once

// Sums of tiles where no instruction multiplies bytes without losing bits: both sides become 16-bit
// numbers, whose products add up in pairs to 32 bits exactly. Internal linkage, as kernel_loops.h
// explains.
//
// A level supplies a struct W:
//   Vec                      a register of either kind
//   kLanes                   lanes in a register of 16-bit numbers, four each
//   kRows                    rows that pass over a pack together
//   LoadNumbers(p)           4 * kLanes signed bytes, widened
//   BroadcastCodes(p)        four unsigned bytes, widened, in every lane
//   Zero(), AddProducts(sum, a, b)
//   StoreLanes(sums, out)    the sixteen sums of a pack from 16 / kLanes registers, two of 32 bits
//                            to a lane

#include <cstddef>
#include <cstdint>

#include "kernel_loops.h"
#include "leadline/simd/tile_kernels.h"

namespace {

/// kRows rows with one pack.
template <class W, size_t kRows>
[[gnu::noinline]] void SumWidened(const uint8_t* const* rows, size_t n, const int8_t* packed,
                                  int32_t* out, size_t out_stride) {
  constexpr size_t kParts = leadline::simd::kPackLanes / W::kLanes;
  typename W::Vec sums[kRows * kParts];
  Unrolled<kRows * kParts>([&](auto j)
                               __attribute__((always_inline)) { sums[j.kValue] = W::Zero(); });
  const uint8_t* row[kRows];
  Unrolled<kRows>([&](auto r) __attribute__((always_inline)) { row[r.kValue] = rows[r.kValue]; });
  for (size_t i = 0; i < n; i += 4, packed += leadline::simd::kPackedStep) {
    typename W::Vec codes[kRows];
    Unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
      codes[r.kValue] = W::BroadcastCodes(row[r.kValue] + i);
    });
    Unrolled<kParts>([&](auto p) __attribute__((always_inline)) {
      const typename W::Vec numbers = W::LoadNumbers(packed + p.kValue * 4 * W::kLanes);
      Unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
        typename W::Vec& sum = sums[r.kValue * kParts + p.kValue];
        sum = W::AddProducts(sum, codes[r.kValue], numbers);
      });
    });
  }
  Unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
    W::StoreLanes(sums + r.kValue * kParts, out + r.kValue * out_stride);
  });
}

template <class W>
void SumsOfWidened(const uint8_t* codes, size_t stride, const uint32_t* ids, size_t row_count,
                   size_t n, const int8_t* packed, size_t packs, int32_t* out, size_t out_stride) {
  const uint8_t* rows[W::kRows];
  size_t r = 0;
  const auto pass = [&](auto count) __attribute__((always_inline)) {
    for (size_t i = 0; i < count.kValue; ++i) {
      rows[i] = codes + (ids == nullptr ? r + i : ids[r + i]) * stride;
    }
    for (size_t p = 0; p < packs; ++p) {
      SumWidened<W, count.kValue>(rows, n, packed + p * n * leadline::simd::kPackLanes,
                                  out + r * out_stride + p * leadline::simd::kPackLanes,
                                  out_stride);
    }
    return count.kValue;
  };
  while (r + W::kRows <= row_count) {
    r += pass(Constant<W::kRows>());
  }
  while (r < row_count) {
    r += pass(Constant<1>());
  }
}

}  // namespace
