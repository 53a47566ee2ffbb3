#pragma once

/// Kernels on codes: 8- and 4-bit numbers and bf16 values that stand for vectors (index/codes says
/// how). Sums of integers are equal at every level; levels differ in speed alone.
///
/// Tables of codes must be readable for 64 bytes beyond the last row or block: kernels read whole
/// registers. Queries are padded with zeros to the length given, so that padding counts nothing.

#include <cstddef>
#include <cstdint>

namespace leadline::simd {

/// Bytes a kernel takes at a time; lengths of rows and queries are multiples of it.
inline constexpr size_t kCodeBytes = 64;
/// Rows of a block of the layouts that lists and scans use.
inline constexpr size_t kBlockRows = 16;
/// Sub-quantisers in one 64-byte line of a block of 4-bit product codes.
inline constexpr size_t kPqPerLine = 8;

/// How the integer sum of one query with one row becomes a distance:
///   distance = add[row] - scale[row] * multiplier * float(2 * sum - offset)
/// The integers are taken modulo 2^32, then each operation is rounded to f32 in the order written:
/// equal bits at every level.
struct SumToDistance {
  float multiplier = 0;
  int32_t offset = 0;
};

/// Sums over a turned vector that SignCodes makes codes of.
struct SignSums {
  double square = 0;      ///< of its values squared
  double magnitudes = 0;  ///< of their magnitudes
  double along = 0;       ///< of the other vector's values, each with the sign of this one's
};

/// What ByteCodes says of a row beside its code.
struct ByteSums {
  float scale = 0;      ///< of a step; 0 where the row is its mean as far as bytes can tell
  int32_t squares = 0;  ///< sum of (code - 128)^2
  double error = 0;     ///< sum of squares of what the codes lose, 0 where scale is
};

/// What ByteRow says of a row beside its code.
struct RowSums {
  float scale = 0;
  float norm = 0;   ///< squared distance from the centre
  float error = 0;  ///< squared distance from what the code says
};

/// One instruction-set level. Immutable, thread-safe; no function allocates.
struct CodeKernels {
  /// out[i] = sum over j < n of query[j] * codes[ids[i] * stride + j], i < count.
  /// Shapes: query [n] signed, codes unsigned; n a multiple of kCodeBytes, at most 65,536.
  using Sq8Gather = void (*)(const int8_t* query, const uint8_t* codes, size_t stride,
                             const uint32_t* ids, size_t count, size_t n, int32_t* out);

  /// out[i] = sum over bytes j < n of row ids[i]: low nibble of byte j times
  /// query[128 * (j / 64) + j % 64], plus high nibble times query[128 * (j / 64) + 64 + j % 64].
  /// Shapes: query [2 * n]; n a multiple of kCodeBytes, at most 32,768.
  using Sq4Gather = Sq8Gather;

  /// Sums of table entries, one for each sub-quantiser:
  ///   out[kBlockRows * b + r] = sum over s < 8 * lines of tables[16 * s + code(b, r, s)]
  /// A block is `lines` lines of 64 bytes: byte 4r + t (t < 4) of line l holds for row r the code
  /// of sub-quantiser 8l + t in its low nibble and that of 8l + 4 + t in its high one.
  /// `next`, which may be null, are the blocks that the caller comes to after these: a level may
  /// have their first ones brought to the cache meanwhile. They are not read.
  /// Shapes: tables [8 * lines x 16] on a 64-byte boundary, zeros where a sub-quantiser is padding.
  using TableSums = void (*)(const uint8_t* tables, const uint8_t* blocks, size_t lines,
                             size_t block_count, const uint8_t* next, int32_t* out);

  /// Keeps the rows nearer than a threshold: for each i < count (a multiple of kBlockRows) with
  /// distance(i) <= threshold, bit i of `allowed` set (null: all are), appends distance(i) to
  /// `distances` and first + i to `positions`, in order. Returns how many.
  /// `distances` and `positions` have room for count + 16 elements: kernels write beyond the last.
  /// Values of `sums`, `add` and `scale` may be anything that keeps distances from being NaN.
  using SelectNear = size_t (*)(const int32_t* sums, const float* add, const float* scale,
                                size_t count, SumToDistance map, float threshold,
                                const uint64_t* allowed, uint32_t first, float* distances,
                                uint32_t* positions);

  /// out[i] = sum over j < n of query[j] * bf16 row ids[i] [j], in f32; as DistanceKernels, levels
  /// differ by rounding within |level - scalar| <= 2^-22 * (n + 8) * sum of |terms| + n * 2^-126.
  /// Shapes: query [n], n a multiple of 32; rows `stride` elements apart.
  using Bf16Gather = void (*)(const float* query, const uint16_t* rows, size_t stride,
                              const uint32_t* ids, size_t count, size_t n, float* out);

  /// Makes the tables that TableSums looks up: entry c of part p stands for
  ///   value(p, c) = sum over w < width of factor * query[p * width + w] * codewords[p][w][c]
  /// and value(p, c) ~ least(p) + step * table[16 * p + c], `base` being the sum of least(p).
  /// `step` is one for all parts, 0 where values hardly differ. Equal bits at every level.
  /// Shapes: query [dim], codewords [parts x width x 16] with parts = ceil(dim / width), values
  /// (room to work in) and table [parts x 16]; width at least 1.
  using ProductTable = void (*)(const float* query, size_t dim, const float* codewords,
                                size_t width, float factor, float* values, uint8_t* table,
                                float* base, float* step);

  /// The tables for codes that say which of four values is added and which subtracted: part p has
  /// the values p, p + dim / 4, p + dim / 2 and p + 3 dim / 4, entry c adds the j-th of them where
  /// bit j of c is set. The sum of all is ~ base + step * (sum of a row's entries), up to half a
  /// step a part; `step` is 0 where there is next to nothing to add. Equal bits at every level.
  /// Shapes: values [dim], room [dim + dim / 4], table [dim / 4 x 16]; dim a multiple of 32.
  using SignTable = void (*)(const float* values, size_t dim, float* room, uint8_t* table,
                             float* base, float* step);

  /// Turns `values` in space, up to rounding, so that what lies in few of them is spread over all:
  /// `rounds` times each value is multiplied by its sign, then, unless `dim` is a power of two, the
  /// halves become (first + second) / sqrt(2) and (first - second) / sqrt(2), then a Hadamard
  /// transform takes the first 2^k <= dim values, in every second round the last.
  /// storage/FORMAT.md has the order in which it leaves them. Equal bits at every level.
  /// Shapes: signs [rounds x dim] of 1 and -1, values and room [dim]; dim a multiple of 32.
  using Rotation = void (*)(const float* signs, size_t dim, size_t rounds, float* values,
                            float* room);

  /// Code of part p: bit w is set where turned[w * dim / 4 + p] is not negative, w < 4. Equal bits
  /// at every level, as those of the next two. Shapes: turned, from [dim], codes [dim / 4]; dim a
  /// multiple of 4.
  using SignCodes = SignSums (*)(const float* turned, const float* from, size_t dim,
                                 uint8_t* codes);

  /// Sum of base[i] * (row[i] - base[i]), in double. Shapes: row, base [dim].
  using Projection = double (*)(const float* row, const float* base, size_t dim);

  /// The row in bytes, its largest magnitude 127 steps: row - mean ~ scale * (code - 128), each
  /// code the nearest. Shapes: row, mean, room [dim], codes [dim]; dim at most 65,536. Finite
  /// values.
  using ByteCodes = ByteSums (*)(const float* row, const float* mean, size_t dim, float* room,
                                 uint8_t* codes);

  /// As ByteCodes, for rows that are compared among each other: ties of whole numbers to even,
  /// terms in f32. Equal bits at every level, as those of the next.
  using ByteRow = RowSums (*)(const float* row, const float* centre, size_t dim, float* room,
                              uint8_t* codes);

  /// Squared Euclidean distance. Shapes: a, b [dim].
  using SquaredDistance = float (*)(const float* a, const float* b, size_t dim);

  Sq8Gather sq8_gather;
  Sq4Gather sq4_gather;
  TableSums table_sums;
  SelectNear select_near;
  Bf16Gather bf16_gather;
  ProductTable product_table;
  SignTable sign_table;
  Rotation rotate;
  SignCodes sign_codes;
  Projection projection;
  ByteCodes byte_codes;
  ByteRow byte_row;
  SquaredDistance squared_distance;
};

}  // namespace leadline::simd
