// Compiled with AVX-512 and its VNNI and VBMI parts; runs only where the CPU has them.
#include <immintrin.h>

#include "avx512_rows.h"
#include "code_loops.h"
#include "levels.h"

namespace {

using leadline::simd::kBlockRows;
using leadline::simd::kCodeBytes;

/// vpdpbusd: each lane of `sum` plus four products of unsigned codes and signed numbers. In
/// assembly because g++ 12 copies the sum to another register and back around the intrinsic.
[[gnu::always_inline]] inline void AddProducts(__m512i* sum, __m512i codes, __m512i numbers) {
  asm("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(codes), "v"(numbers));
}

/// Eight rows hide the latency of vpdpbusd.
struct Sq8 {
  using Row = uint8_t;
  using Number = int8_t;
  using Result = int32_t;
  using Query = __m512i;
  using Sum = __m512i;
  static constexpr size_t kRows = 8;
  static constexpr size_t kRowStep = kCodeBytes;
  static constexpr size_t kQueryStep = kCodeBytes;

  static Query LoadQuery(const int8_t* p) { return _mm512_loadu_si512(p); }

  static Sum Zero() { return _mm512_setzero_si512(); }

  static void Add(Sum* sum, Query q, const uint8_t* row) {
    AddProducts(sum, _mm512_loadu_si512(row), q);
  }

  static void Reduce(const Sum* sums, int32_t* out) { StoreLaneSums(sums, out); }
};

/// High nibbles are summed where they are, as sixteen times their value: 2^30 at most.
struct Sq4 {
  using Row = uint8_t;
  using Number = int8_t;
  using Result = int32_t;

  struct Query {
    __m512i low;
    __m512i high;
  };

  struct Sum {
    __m512i low;
    __m512i high;
  };

  static constexpr size_t kRows = 8;
  static constexpr size_t kRowStep = kCodeBytes;
  static constexpr size_t kQueryStep = 2 * kCodeBytes;

  static Query LoadQuery(const int8_t* p) {
    return {_mm512_loadu_si512(p), _mm512_loadu_si512(p + kCodeBytes)};
  }

  static Sum Zero() { return {_mm512_setzero_si512(), _mm512_setzero_si512()}; }

  static void Add(Sum* sum, const Query& q, const uint8_t* row) {
    const __m512i mask = _mm512_set1_epi8(15);
    const __m512i codes = _mm512_loadu_si512(row);
    AddProducts(&sum->low, _mm512_and_si512(codes, mask), q.low);
    AddProducts(&sum->high, _mm512_andnot_si512(mask, codes), q.high);
  }

  static void Reduce(const Sum* sums, int32_t* out) {
    __m512i rows[kRows];
    Unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
      rows[r.kValue] =
          _mm512_add_epi32(sums[r.kValue].low, _mm512_srai_epi32(sums[r.kValue].high, 4));
    });
    StoreLaneSums(rows, out);
  }
};

/// Four consecutive numbers of a query in each lane.
/// vpermb looks up four sub-quantisers of sixteen rows in one register of tables: the number of the
/// table goes into bits 4 and 5 of each index. vpdpbusd with ones adds the four entries of a row.
/// For each line that is summed one is asked for from `next` on: the hardware does not follow from
/// one list to another nor beyond a page, and many requests at once would keep others waiting.
template <size_t kBlocks>
void SumTables(const uint8_t* tables, const uint8_t* blocks, size_t lines, const uint8_t* next,
               int32_t* out) {
  const __m512i ones = _mm512_set1_epi8(1);
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i table_of_byte = _mm512_set1_epi32(0x30201000);
  // (x & nibble) | table_of_byte
  constexpr int kAndOr = 0xEA;
  __m512i low[kBlocks];
  __m512i high[kBlocks];
  Unrolled<kBlocks>([&](auto b) __attribute__((always_inline)) {
    low[b.kValue] = _mm512_setzero_si512();
    high[b.kValue] = _mm512_setzero_si512();
  });
  const size_t block_bytes = lines * kCodeBytes;
  for (size_t l = 0; l < lines; ++l, blocks += kCodeBytes, tables += 2 * kCodeBytes) {
    Unrolled<kBlocks>([&](auto b) __attribute__((always_inline)) {
      __builtin_prefetch(next + (l * kBlocks + b.kValue) * kCodeBytes);
    });
    const __m512i low_tables = _mm512_loadu_si512(tables);
    const __m512i high_tables = _mm512_loadu_si512(tables + kCodeBytes);
    Unrolled<kBlocks>([&](auto b) __attribute__((always_inline)) {
      const __m512i codes = _mm512_loadu_si512(blocks + b.kValue * block_bytes);
      const __m512i low_index = _mm512_ternarylogic_epi32(codes, nibble, table_of_byte, kAndOr);
      const __m512i high_index =
          _mm512_ternarylogic_epi32(_mm512_srli_epi32(codes, 4), nibble, table_of_byte, kAndOr);
      AddProducts(&low[b.kValue], _mm512_permutexvar_epi8(low_index, low_tables), ones);
      AddProducts(&high[b.kValue], _mm512_permutexvar_epi8(high_index, high_tables), ones);
    });
  }
  Unrolled<kBlocks>([&](auto b) __attribute__((always_inline)) {
    _mm512_storeu_si512(out + b.kValue * kBlockRows,
                        _mm512_add_epi32(low[b.kValue], high[b.kValue]));
  });
}

void TableSums(const uint8_t* tables, const uint8_t* blocks, size_t lines, size_t block_count,
               const uint8_t* next, int32_t* out) {
  ForGroups<4>(block_count, [&](auto tile, size_t b) {
    const uint8_t* const here = blocks + b * lines * kCodeBytes;
    const bool last = b + tile.kValue == block_count;
    const uint8_t* const then = last ? next : here + tile.kValue * lines * kCodeBytes;
    SumTables<tile.kValue>(tables, here, lines, then == nullptr ? here : then,
                           out + b * kBlockRows);
  });
}

}  // namespace

namespace leadline::simd {

constinit const CodeKernels kAvx512VnniCodes = {
    GatherSums<Sq8>,        GatherSums<Sq4>,    TableSums,
    avx512::SelectNear,     avx512::Bf16Gather, avx512::MakeProductTable,
    avx512::MakeSignTable,  avx512::Rotate,     avx512::SignCodes,
    avx512::Projection,     avx512::ByteCodes,  avx512::ByteRow,
    avx512::SquaredDistance};

}  // namespace leadline::simd
