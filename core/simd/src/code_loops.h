#pragma once

// The loops over gathered rows of codes that levels share. Compiled several times with different
// instruction sets: all of it has internal linkage, as kernel_loops.h explains.
//
// A format of codes at a level is a struct F:
//   kRows                        rows per pass over the query
//   kRowStep, kQueryStep         elements of a row and of the query taken at a time
//   Row, Number, Result          elements of rows, of the query and of the sums
//   Query, LoadQuery(p)          registers of the query, made once for all rows of a pass
//   Sum, Zero()                  the running sum of one row
//   Add(sum, query, p)           adds a step of the row at p
//   Reduce(sums, out)            out[r] = the sum of all lanes of sums[r], r < kRows

#include <cstddef>
#include <cstdint>

#include "kernel_loops.h"

namespace {

template <class F>
inline void SumRows(const typename F::Number* query, const typename F::Row* const* rows, size_t n,
                    typename F::Result* out) {
  typename F::Sum sums[F::kRows];
  Unrolled<F::kRows>([&](auto r) __attribute__((always_inline)) { sums[r.kValue] = F::Zero(); });
  for (size_t i = 0; i < n; i += F::kRowStep, query += F::kQueryStep) {
    const typename F::Query q = F::LoadQuery(query);
    Unrolled<F::kRows>([&](auto r) __attribute__((always_inline)) {
      F::Add(&sums[r.kValue], q, rows[r.kValue] + i);
    });
  }
  F::Reduce(sums, out);
}

/// What is left of the rows is filled up with the last one: a pass costs hardly more than the
/// latency of a single row.
template <class F>
void GatherSums(const typename F::Number* query, const typename F::Row* codes, size_t stride,
                const uint32_t* ids, size_t count, size_t n, typename F::Result* out) {
  const typename F::Row* rows[F::kRows];
  size_t i = 0;
  for (; i + F::kRows <= count; i += F::kRows) {
    for (size_t r = 0; r < F::kRows; ++r) {
      rows[r] = codes + ids[i + r] * stride;
    }
    SumRows<F>(query, rows, n, out + i);
  }
  if (i < count) {
    for (size_t r = 0; r < F::kRows; ++r) {
      rows[r] = codes + ids[i + r < count ? i + r : count - 1] * stride;
    }
    typename F::Result sums[F::kRows];
    SumRows<F>(query, rows, n, sums);
    for (size_t r = 0; i < count; ++i, ++r) {
      out[i] = sums[r];
    }
  }
}

/// Calls body(constant kMost, index) for whole groups of kMost out of `count`, then body with what
/// is left as a constant.
template <size_t kMost, class Body>
[[gnu::always_inline]] inline void ForGroups(size_t count, Body&& body) {
  size_t i = 0;
  for (; i + kMost <= count; i += kMost) {
    body(Constant<kMost>(), i);
  }
  Unrolled<kMost>([&](auto rest) __attribute__((always_inline)) {
    if constexpr (rest.kValue > 0) {
      if (count - i == rest.kValue) {
        body(Constant<rest.kValue>(), i);
      }
    }
  });
}

}  // namespace
