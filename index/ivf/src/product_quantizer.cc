#include "product_quantizer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "leadline/core/rng.h"
#include "leadline/simd/level.h"

namespace leadline::index {
namespace {

constexpr size_t kSampleRows = 16'384;
constexpr int kIterations = 12;
constexpr size_t kRowsTogether = 256;

/// One part of the sampled residuals, value by value: [width x n].
struct PartSample {
  std::vector<float> values;
  size_t n = 0;
};

/// Nearest of the codewords [width x kCodewords] for rows [begin, begin + count) of a sample.
void AssignPart(const PartSample& sample, size_t width, const float* codewords, size_t begin,
                size_t count, uint8_t* nearest) {
  std::array<float, kRowsTogether> best{};
  std::array<int32_t, kRowsTogether> code{};
  best.fill(std::numeric_limits<float>::infinity());
  for (size_t c = 0; c < kCodewords; ++c) {
    std::array<float, kRowsTogether> distance{};
    for (size_t w = 0; w < width; ++w) {
      const float* values = sample.values.data() + w * sample.n + begin;
      const float codeword = codewords[w * kCodewords + c];
      for (size_t i = 0; i < count; ++i) {
        const float difference = values[i] - codeword;
        distance[i] += difference * difference;
      }
    }
    for (size_t i = 0; i < kRowsTogether; ++i) {
      const bool nearer = distance[i] < best[i];
      code[i] = nearer ? static_cast<int32_t>(c) : code[i];
      best[i] = nearer ? distance[i] : best[i];
    }
  }
  for (size_t i = 0; i < count; ++i) {
    nearest[i] = static_cast<uint8_t>(code[i]);
  }
}

/// Moves each codeword to the mean of its rows; one without rows goes beside the fullest one.
void MoveCodewords(const PartSample& sample, size_t width, const std::vector<uint8_t>& nearest,
                   float* codewords) {
  std::array<size_t, kCodewords> counts{};
  for (const uint8_t code : nearest) {
    ++counts[code];
  }
  for (size_t w = 0; w < width; ++w) {
    std::array<double, kCodewords> sums{};
    for (size_t i = 0; i < sample.n; ++i) {
      sums[nearest[i]] += sample.values[w * sample.n + i];
    }
    for (size_t c = 0; c < kCodewords; ++c) {
      if (counts[c] > 0) {
        codewords[w * kCodewords + c] =
            static_cast<float>(sums[c] / static_cast<double>(counts[c]));
      }
    }
  }
  for (size_t c = 0; c < kCodewords; ++c) {
    if (counts[c] == 0) {
      const size_t full =
          static_cast<size_t>(std::max_element(counts.begin(), counts.end()) - counts.begin());
      counts[c] = counts[full] / 2;
      counts[full] -= counts[c];
      for (size_t w = 0; w < width; ++w) {
        float& value = codewords[w * kCodewords + full];
        codewords[w * kCodewords + c] = value * (w % 2 == 0 ? 1.01F : 0.99F);
        value *= w % 2 == 0 ? 0.99F : 1.01F;
      }
    }
  }
}

void TrainPart(const PartSample& sample, size_t width, float* codewords) {
  // Rows spread evenly over the sample are the first codewords.
  for (size_t c = 0; c < kCodewords; ++c) {
    const size_t row = c * sample.n / kCodewords;
    for (size_t w = 0; w < width; ++w) {
      codewords[w * kCodewords + c] = sample.values[w * sample.n + row];
    }
  }
  std::vector<uint8_t> nearest(sample.n);
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    for (size_t begin = 0; begin < sample.n; begin += kRowsTogether) {
      AssignPart(sample, width, codewords, begin, std::min(kRowsTogether, sample.n - begin),
                 nearest.data() + begin);
    }
    MoveCodewords(sample, width, nearest, codewords);
  }
}

}  // namespace

Result<std::vector<float>> TrainCodewords(MatrixView rows, MatrixView centroids,
                                          std::span<const uint32_t> lists, PqShape shape,
                                          uint64_t seed, Executor* executor,
                                          const CallControl& control) {
  const size_t n = std::min(rows.rows, kSampleRows);
  std::vector<uint32_t> sampled(n);
  Rng rng(seed);
  for (size_t i = 0; i < n; ++i) {
    // One row of each of n equal stretches: spread over the data, none twice.
    const size_t first = i * rows.rows / n;
    const size_t end = (i + 1) * rows.rows / n;
    sampled[i] = static_cast<uint32_t>(first + rng.Uniform(end - first));
  }
  std::vector<float> codewords(shape.codeword_floats(), 0.0F);
  std::vector<PartSample> samples(shape.parts());
  for (PartSample& sample : samples) {
    sample.n = n;
    sample.values.resize(shape.width * n);
  }
  ParallelFor(executor, shape.parts(), [&](size_t part) {
    if (!control.Check().ok()) {
      return;
    }
    PartSample& sample = samples[part];
    const size_t first = part * shape.width;
    const size_t width = std::min(shape.width, shape.dim - first);
    for (size_t i = 0; i < n; ++i) {
      const float* row = rows.row(sampled[i]).data() + first;
      const float* centroid = centroids.row(lists[sampled[i]]).data() + first;
      for (size_t w = 0; w < width; ++w) {
        sample.values[w * n + i] = row[w] - centroid[w];
      }
    }
    TrainPart(sample, shape.width, codewords.data() + part * shape.width * kCodewords);
  });
  LEADLINE_RETURN_IF_ERROR(control.Check());
  return codewords;
}

void EncodeParts(PqShape shape, const float* codewords, const float* vector, uint8_t* codes,
                 float* decoded) {
  for (size_t part = 0; part < shape.parts(); ++part) {
    const size_t first = part * shape.width;
    const size_t width = std::min(shape.width, shape.dim - first);
    const float* words = codewords + part * shape.width * kCodewords;
    std::array<float, kCodewords> distances{};
    for (size_t w = 0; w < width; ++w) {
      for (size_t c = 0; c < kCodewords; ++c) {
        const float difference = vector[first + w] - words[w * kCodewords + c];
        distances[c] += difference * difference;
      }
    }
    size_t best = 0;
    for (size_t c = 1; c < kCodewords; ++c) {
      best = distances[c] < distances[best] ? c : best;
    }
    codes[part] = static_cast<uint8_t>(best);
    for (size_t w = 0; w < width; ++w) {
      decoded[first + w] = words[w * kCodewords + best];
    }
  }
}

void PlaceInBlock(PqShape shape, const uint8_t* codes, size_t r, uint8_t* block) {
  for (size_t part = 0; part < shape.parts(); ++part) {
    const size_t in_line = part % simd::kPqPerLine;
    uint8_t& byte = block[part / simd::kPqPerLine * simd::kCodeBytes + r * 4 + in_line % 4];
    byte = static_cast<uint8_t>(byte | (codes[part] << (in_line < 4 ? 0 : 4)));
  }
}

void PqTable::Prepare(PqShape shape, const float* codewords, const float* query, float factor) {
  const size_t used = shape.parts() * kCodewords;
  const size_t whole = shape.lines() * simd::kPqPerLine * kCodewords;
  values_.resize(used);
  storage_.resize(whole + simd::kCodeBytes);
  const auto misplaced = reinterpret_cast<uintptr_t>(storage_.data()) % simd::kCodeBytes;
  aligned_ = storage_.data() + (simd::kCodeBytes - misplaced);
  simd::CurrentLevel().codes.product_table(query, shape.dim, codewords, shape.width, factor,
                                           values_.data(), aligned_, &base_, &step_);
  std::memset(aligned_ + used, 0, whole - used);
}

}  // namespace leadline::index
