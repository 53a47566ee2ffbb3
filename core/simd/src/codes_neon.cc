// Advanced SIMD is part of the aarch64 baseline: no flags, always available there. Products of
// bytes (dotprod, i8mm) are not, so bytes are widened.
#include <arm_neon.h>

#include "code_loops.h"
#include "levels.h"

namespace {

using leadline::simd::kBlockRows;
using leadline::simd::kCodeBytes;
using leadline::simd::kPqPerLine;
using leadline::simd::SumToDistance;

struct Sq8 {
  using Row = uint8_t;
  using Number = int8_t;
  using Result = int32_t;

  struct Query {
    int16x8_t low;
    int16x8_t high;
  };

  using Sum = int32x4_t;
  static constexpr size_t kRows = 4;
  static constexpr size_t kRowStep = 16;
  static constexpr size_t kQueryStep = 16;

  static Query LoadQuery(const int8_t* p) {
    const int8x16_t numbers = vld1q_s8(p);
    return {vmovl_s8(vget_low_s8(numbers)), vmovl_high_s8(numbers)};
  }

  static Sum Zero() { return vdupq_n_s32(0); }

  static void Add(Sum* sum, const Query& q, const uint8_t* row) {
    const uint8x16_t codes = vld1q_u8(row);
    const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(codes)));
    const int16x8_t high = vreinterpretq_s16_u16(vmovl_high_u8(codes));
    *sum = vmlal_s16(*sum, vget_low_s16(low), vget_low_s16(q.low));
    *sum = vmlal_high_s16(*sum, low, q.low);
    *sum = vmlal_s16(*sum, vget_low_s16(high), vget_low_s16(q.high));
    *sum = vmlal_high_s16(*sum, high, q.high);
  }

  static void Reduce(const Sum* sums, int32_t* out) {
    vst1q_s32(out, vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3])));
  }
};

/// Sums of 16 bits hold the four products of at most 15 * 128 that each register of codes adds.
struct Sq4 {
  static constexpr size_t kParts = kCodeBytes / 16;

  using Row = uint8_t;
  using Number = int8_t;
  using Result = int32_t;

  struct Query {
    int8x16_t low[kParts];
    int8x16_t high[kParts];
  };

  using Sum = int32x4_t;
  static constexpr size_t kRows = 4;
  static constexpr size_t kRowStep = kCodeBytes;
  static constexpr size_t kQueryStep = 2 * kCodeBytes;

  static Query LoadQuery(const int8_t* p) {
    Query query;  // NOLINT(cppcoreguidelines-pro-type-member-init): all of it is set below
    Unrolled<kParts>([&](auto part) __attribute__((always_inline)) {
      query.low[part.kValue] = vld1q_s8(p + 16 * part.kValue);
      query.high[part.kValue] = vld1q_s8(p + kCodeBytes + 16 * part.kValue);
    });
    return query;
  }

  static Sum Zero() { return vdupq_n_s32(0); }

  static void Add(Sum* sum, const Query& q, const uint8_t* row) {
    Unrolled<kParts>([&](auto part) __attribute__((always_inline)) {
      const uint8x16_t codes = vld1q_u8(row + 16 * part.kValue);
      const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(codes, vdupq_n_u8(15)));
      const int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(codes, 4));
      const int8x16_t low_numbers = q.low[part.kValue];
      const int8x16_t high_numbers = q.high[part.kValue];
      int16x8_t products = vmull_s8(vget_low_s8(low), vget_low_s8(low_numbers));
      products = vmlal_high_s8(products, low, low_numbers);
      products = vmlal_s8(products, vget_low_s8(high), vget_low_s8(high_numbers));
      products = vmlal_high_s8(products, high, high_numbers);
      *sum = vpadalq_s16(*sum, products);
    });
  }

  static void Reduce(const Sum* sums, int32_t* out) { Sq8::Reduce(sums, out); }
};

struct Bf16 {
  using Row = uint16_t;
  using Number = float;
  using Result = float;

  struct Query {
    float32x4_t low;
    float32x4_t high;
  };

  struct Sum {
    float32x4_t low;
    float32x4_t high;
  };

  static constexpr size_t kRows = 4;
  static constexpr size_t kRowStep = 8;
  static constexpr size_t kQueryStep = 8;

  static Query LoadQuery(const float* p) { return {vld1q_f32(p), vld1q_f32(p + 4)}; }

  static Sum Zero() { return {vdupq_n_f32(0.0F), vdupq_n_f32(0.0F)}; }

  static void Add(Sum* sum, const Query& q, const uint16_t* row) {
    const uint16x8_t values = vld1q_u16(row);
    const uint32x4_t low = vshll_n_u16(vget_low_u16(values), 16);
    const uint32x4_t high = vshll_high_n_u16(values, 16);
    sum->low = vfmaq_f32(sum->low, vreinterpretq_f32_u32(low), q.low);
    sum->high = vfmaq_f32(sum->high, vreinterpretq_f32_u32(high), q.high);
  }

  static void Reduce(const Sum* sums, float* out) {
    for (size_t r = 0; r < kRows; ++r) {
      out[r] = vaddvq_f32(vaddq_f32(sums[r].low, sums[r].high));
    }
  }
};

/// Sums of table entries of sixteen rows; 256 entries fit 16 bits.
struct TableTotals {
  static constexpr size_t kLines = 256 / kPqPerLine;

  uint16x8_t low = vdupq_n_u16(0);
  uint16x8_t high = vdupq_n_u16(0);

  void Add(uint8x16_t entries) {
    low = vaddw_u8(low, vget_low_u8(entries));
    high = vaddw_high_u8(high, entries);
  }

  void AddTo(uint32x4_t* sums) const {
    sums[0] = vaddw_u16(sums[0], vget_low_u16(low));
    sums[1] = vaddw_high_u16(sums[1], low);
    sums[2] = vaddw_u16(sums[2], vget_low_u16(high));
    sums[3] = vaddw_high_u16(sums[3], high);
  }
};

void TableSums(const uint8_t* tables, const uint8_t* blocks, size_t lines, size_t block_count,
               const uint8_t* /*next*/, int32_t* out) {
  for (size_t b = 0; b < block_count; ++b, out += kBlockRows) {
    uint32x4_t sums[4] = {vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0)};
    for (size_t first = 0; first < lines; first += TableTotals::kLines) {
      TableTotals totals;
      for (size_t l = first; l < lines && l < first + TableTotals::kLines; ++l) {
        // Byte t of all rows lands in register t.
        const uint8x16x4_t codes = vld4q_u8(blocks + (b * lines + l) * kCodeBytes);
        const uint8_t* const entries = tables + l * kPqPerLine * 16;
        Unrolled<4>([&](auto t) __attribute__((always_inline)) {
          const uint8x16_t low = vandq_u8(codes.val[t.kValue], vdupq_n_u8(15));
          const uint8x16_t high = vshrq_n_u8(codes.val[t.kValue], 4);
          totals.Add(vqtbl1q_u8(vld1q_u8(entries + 16 * t.kValue), low));
          totals.Add(vqtbl1q_u8(vld1q_u8(entries + 16 * (4 + t.kValue)), high));
        });
      }
      totals.AddTo(sums);
    }
    for (size_t part = 0; part < 4; ++part) {
      vst1q_s32(out + 4 * part, vreinterpretq_s32_u32(sums[part]));
    }
  }
}

/// Computes sixteen distances in registers; only where one is near enough, which is rare, are they
/// looked at one by one.
size_t SelectNear(const int32_t* sums, const float* add, const float* scale, size_t count,
                  SumToDistance map, float threshold, const uint64_t* allowed, uint32_t first,
                  float* distances, uint32_t* positions) {
  const int32x4_t offset = vdupq_n_s32(map.offset);
  size_t kept = 0;
  for (size_t i = 0; i < count; i += 16) {
    float sixteen[16];
    uint32x4_t near = vdupq_n_u32(0);
    Unrolled<4>([&](auto part) __attribute__((always_inline)) {
      const size_t at = i + 4 * part.kValue;
      const int32x4_t sum = vld1q_s32(sums + at);
      const float32x4_t centred = vcvtq_f32_s32(vsubq_s32(vaddq_s32(sum, sum), offset));
      const float32x4_t factor = vmulq_n_f32(vld1q_f32(scale + at), map.multiplier);
      const float32x4_t distance = vsubq_f32(vld1q_f32(add + at), vmulq_f32(factor, centred));
      near = vorrq_u32(near, vcleq_f32(distance, vdupq_n_f32(threshold)));
      vst1q_f32(sixteen + 4 * part.kValue, distance);
    });
    if (vmaxvq_u32(near) == 0) {
      continue;
    }
    const uint64_t bits = allowed == nullptr ? 0xFFFFU : allowed[i / 64] >> (i % 64);
    for (size_t r = 0; r < 16; ++r) {
      // Written in any case, counted only if wanted: no branch to guess.
      distances[kept] = sixteen[r];
      positions[kept] = first + static_cast<uint32_t>(i + r);
      kept += ((bits >> r) & 1U) != 0 && sixteen[r] <= threshold ? 1 : 0;
    }
  }
  return kept;
}

}  // namespace

namespace leadline::simd {

constinit const CodeKernels kNeonCodes = {GatherSums<Sq8>,
                                          GatherSums<Sq4>,
                                          TableSums,
                                          SelectNear,
                                          GatherSums<Bf16>,
                                          scalar::MakeProductTable,
                                          scalar::MakeSignTable,
                                          scalar::Rotate,
                                          scalar::SignCodes,
                                          scalar::Projection,
                                          scalar::ByteCodes,
                                          scalar::ByteRow,
                                          scalar::SquaredDistance};

}  // namespace leadline::simd
