#pragma once

// Kernels on codes without instructions for sums of byte products: bytes are widened to 16 bits,
// where no product is lost. Compiled with several instruction sets: all of it has internal linkage,
// as kernel_loops.h explains.
//
// A level supplies a struct W, its registers and what it does with them:
//   Vec, kBytes            a register of kBytes bytes, 64 or half of it
//   Load(p), Store(p, v)   unaligned
//   Zero(), Set8(x), Set16(x)   every lane the same
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

}  // namespace
