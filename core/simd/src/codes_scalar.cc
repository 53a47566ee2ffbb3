#include <bit>

#include "levels.h"

namespace {

using leadline::simd::kBlockRows;
using leadline::simd::kCodeBytes;
using leadline::simd::kPqPerLine;
using leadline::simd::SumToDistance;

void Sq8Gather(const int8_t* query, const uint8_t* codes, size_t stride, const uint32_t* ids,
               size_t count, size_t n, int32_t* out) {
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* row = codes + ids[i] * stride;
    int32_t sum = 0;
    for (size_t j = 0; j < n; ++j) {
      sum += query[j] * row[j];
    }
    out[i] = sum;
  }
}

void Sq4Gather(const int8_t* query, const uint8_t* codes, size_t stride, const uint32_t* ids,
               size_t count, size_t n, int32_t* out) {
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* row = codes + ids[i] * stride;
    int32_t sum = 0;
    for (size_t begin = 0; begin < n; begin += kCodeBytes) {
      const int8_t* low = query + 2 * begin;
      const int8_t* high = low + kCodeBytes;
      for (size_t j = 0; j < kCodeBytes; ++j) {
        const int byte = row[begin + j];
        sum += low[j] * (byte & 15) + high[j] * (byte >> 4);
      }
    }
    out[i] = sum;
  }
}

void TableSums(const uint8_t* tables, const uint8_t* blocks, size_t lines, size_t block_count,
               const uint8_t* /*next*/, int32_t* out) {
  for (size_t b = 0; b < block_count; ++b) {
    const uint8_t* block = blocks + b * lines * kCodeBytes;
    for (size_t r = 0; r < kBlockRows; ++r) {
      int32_t sum = 0;
      for (size_t l = 0; l < lines; ++l) {
        const uint8_t* low = tables + l * kPqPerLine * 16;
        const uint8_t* high = low + size_t{4} * 16;
        for (size_t t = 0; t < 4; ++t) {
          const uint8_t byte = block[l * kCodeBytes + r * 4 + t];
          sum += low[16 * t + (byte & 15)] + high[16 * t + (byte >> 4)];
        }
      }
      out[b * kBlockRows + r] = sum;
    }
  }
}

size_t SelectNear(const int32_t* sums, const float* add, const float* scale, size_t count,
                  SumToDistance map, float threshold, const uint64_t* allowed, uint32_t first,
                  float* distances, uint32_t* positions) {
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    // Twice the sum may wrap; the difference fits again.
    const uint32_t doubled = 2U * static_cast<uint32_t>(sums[i]);
    const auto centred =
        static_cast<float>(static_cast<int32_t>(doubled - static_cast<uint32_t>(map.offset)));
    const float distance = add[i] - scale[i] * map.multiplier * centred;
    const bool wanted = allowed == nullptr || ((allowed[i / 64] >> (i % 64)) & 1U) != 0;
    if (wanted && distance <= threshold) {
      distances[kept] = distance;
      positions[kept] = first + static_cast<uint32_t>(i);
      ++kept;
    }
  }
  return kept;
}

void Bf16Gather(const float* query, const uint16_t* rows, size_t stride, const uint32_t* ids,
                size_t count, size_t n, float* out) {
  constexpr size_t kSums = 8;
  for (size_t i = 0; i < count; ++i) {
    const uint16_t* row = rows + ids[i] * stride;
    float sums[kSums] = {};
    for (size_t begin = 0; begin < n; begin += kSums) {
      for (size_t j = 0; j < kSums; ++j) {
        sums[j] += query[begin + j] * std::bit_cast<float>(uint32_t{row[begin + j]} << 16);
      }
    }
    out[i] =
        ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
  }
}

}  // namespace

namespace leadline::simd {

constinit const CodeKernels kScalarCodes = {Sq8Gather,
                                            Sq4Gather,
                                            TableSums,
                                            SelectNear,
                                            Bf16Gather,
                                            scalar::MakeProductTable,
                                            scalar::MakeSignTable,
                                            scalar::Rotate,
                                            scalar::SignCodes,
                                            scalar::Projection,
                                            scalar::ByteCodes,
                                            scalar::ByteRow,
                                            scalar::SquaredDistance};

}  // namespace leadline::simd
