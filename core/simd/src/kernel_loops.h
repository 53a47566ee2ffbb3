#pragma once

// The loops every level shares. This header is compiled several times with different instruction
// sets, so all of it has internal linkage and it includes nothing with inline code of its own: one
// copy of an inline function compiled for AVX-512 and picked by the linker would fault elsewhere.
//
// A level supplies a struct V:
//   Vec, kWidth            a register of kWidth floats
//   kAccumulators          independent sums per row, hiding the latency of an addition
//   kRowsTogether          rows per pass over the query
//   Zero(), Load(p), LoadTail(p, count)   count < kWidth, the rest reads as 0
//   AddL2(acc, a, b), AddDot(acc, a, b)   acc + (a-b)^2, acc + a*b
//   Add(a, b), Reduce(v)   Reduce sums the lanes in a fixed order
//   ReduceFour(v, out)     optional: four times Reduce, with equal bits
// A row's floats go to the accumulators in turn, the tail to the next one in turn; the accumulators
// are added pairwise. This order does not depend on kRowsTogether, so every path gives equal bits.

#include <cstddef>
#include <cstdint>

namespace {

template <size_t kNumber>
struct Constant {
  static constexpr size_t kValue = kNumber;
};

template <class V, bool kL2>
[[gnu::always_inline]] inline typename V::Vec Accumulate(typename V::Vec acc, typename V::Vec a,
                                                         typename V::Vec b) {
  if constexpr (kL2) {
    return V::AddL2(acc, a, b);
  } else {
    return V::AddDot(acc, a, b);
  }
}

/// Calls body(constant 0) ... body(constant kCount - 1). Written out before the optimiser starts:
/// with an ordinary loop g++ decides too late to unroll it and keeps the sums in memory.
template <size_t kCount, size_t kFirst = 0, class Body>
[[gnu::always_inline]] inline void Unrolled(Body&& body) {
  if constexpr (kFirst < kCount) {
    body(Constant<kFirst>());
    Unrolled<kCount, kFirst + 1>(body);
  }
}

/// (acc[0] + acc[2]) + (acc[1] + acc[3]), and so on for other powers of two.
template <class V, size_t kCount>
[[gnu::always_inline]] inline typename V::Vec AddPairwise(const typename V::Vec* acc) {
  if constexpr (kCount == 1) {
    return acc[0];
  } else {
    typename V::Vec half[kCount / 2];
    Unrolled<kCount / 2>([&](auto j) __attribute__((always_inline)) {
      half[j.kValue] = V::Add(acc[j.kValue], acc[j.kValue + kCount / 2]);
    });
    return AddPairwise<V, kCount / 2>(half);
  }
}

template <class V>
concept ReducesFour = requires(const typename V::Vec* v, float* out) {
  V::ReduceFour(v, out);
};

/// The sums of kRows rows, row by row.
template <class V, size_t kRows>
struct Sums {
  typename V::Vec acc[kRows * V::kAccumulators];

  /// Adds one register of the query against one of each row, into accumulator kIndex.
  template <bool kL2, size_t kIndex, class LoadFunction>
  [[gnu::always_inline]] void Add(const float* query, const float* const* rows, size_t offset,
                                  LoadFunction load) {
    const typename V::Vec q = load(query + offset);
    Unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
      typename V::Vec& sum = acc[r.kValue * V::kAccumulators + kIndex];
      sum = Accumulate<V, kL2>(sum, q, load(rows[r.kValue] + offset));
    });
  }
};

template <class V, bool kL2, size_t kRows>
inline void Distances(const float* query, const float* const* rows, size_t n, float* out) {
  constexpr size_t kSums = V::kAccumulators;
  Sums<V, kRows> sums;  // NOLINT(cppcoreguidelines-pro-type-member-init): zeroed below
  Unrolled<kRows * kSums>([&](auto j)
                              __attribute__((always_inline)) { sums.acc[j.kValue] = V::Zero(); });
  const auto load = [](const float* p) __attribute__((always_inline)) {
    return V::Load(p);
  };
  size_t i = 0;
  for (; i + V::kWidth * kSums <= n; i += V::kWidth * kSums) {
    Unrolled<kSums>([&](auto j) __attribute__((always_inline)) {
      sums.template Add<kL2, j.kValue>(query, rows, i + j.kValue * V::kWidth, load);
    });
  }
  // Fewer than kSums whole registers and a tail are left.
  Unrolled<kSums>([&](auto j) __attribute__((always_inline)) {
    if (i + V::kWidth <= n) {
      sums.template Add<kL2, j.kValue>(query, rows, i, load);
      i += V::kWidth;
    } else if (i < n) {
      const size_t rest = n - i;
      const auto load_tail = [rest](const float* p) __attribute__((always_inline)) {
        return V::LoadTail(p, rest);
      };
      sums.template Add<kL2, j.kValue>(query, rows, i, load_tail);
      i = n;
    }
  });
  typename V::Vec totals[kRows];
  Unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
    totals[r.kValue] = AddPairwise<V, kSums>(sums.acc + r.kValue * kSums);
  });
  if constexpr (kRows == 4 && ReducesFour<V>) {
    V::ReduceFour(totals, out);
  } else {
    Unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
      out[r.kValue] = V::Reduce(totals[r.kValue]);
    });
  }
}

template <class V, bool kL2>
float PairDistance(const float* a, const float* b, size_t n) {
  float out;
  Distances<V, kL2, 1>(a, &b, n, &out);
  return out;
}

/// `row_of(i)` is the address of row i.
template <class V, bool kL2, class RowOf>
inline void ManyDistances(const float* query, size_t count, size_t n, float* out, RowOf row_of) {
  size_t i = 0;
  for (; i + V::kRowsTogether <= count; i += V::kRowsTogether) {
    const float* rows[V::kRowsTogether];
    for (size_t r = 0; r < V::kRowsTogether; ++r) {
      rows[r] = row_of(i + r);
    }
    Distances<V, kL2, V::kRowsTogether>(query, rows, n, out + i);
  }
  for (; i < count; ++i) {
    const float* row = row_of(i);
    Distances<V, kL2, 1>(query, &row, n, out + i);
  }
}

template <class V, bool kL2>
void RowsDistance(const float* query, const float* base, size_t stride, size_t count, size_t n,
                  float* out) {
  ManyDistances<V, kL2>(query, count, n, out,
                        [base, stride](size_t i) { return base + i * stride; });
}

template <class V, bool kL2>
void GatherDistance(const float* query, const float* base, size_t stride, const uint32_t* ids,
                    size_t count, size_t n, float* out) {
  ManyDistances<V, kL2>(query, count, n, out,
                        [base, stride, ids](size_t i) { return base + ids[i] * stride; });
}

}  // namespace
