#pragma once

/// Data and oracles for the tests of index kinds.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "leadline/core/clock.h"
#include "leadline/core/rng.h"
#include "leadline/index/segment_index.h"
#include "leadline/simd/normalize.h"

namespace leadline::index::testing {

/// A matrix that owns its floats.
struct Matrix {
  std::vector<float> values;
  size_t dim = 0;

  [[nodiscard]] size_t rows() const { return dim == 0 ? 0 : values.size() / dim; }

  [[nodiscard]] const float* row(size_t i) const { return values.data() + i * dim; }

  [[nodiscard]] MatrixView view() const { return {values.data(), rows(), dim}; }

  [[nodiscard]] MatrixView view(size_t begin, size_t end) const {
    return {values.data() + begin * dim, end - begin, dim};
  }
};

inline Matrix GaussianMatrix(uint64_t seed, size_t rows, size_t dim) {
  Rng rng(seed);
  Matrix matrix{std::vector<float>(rows * dim), dim};
  for (float& value : matrix.values) {
    value = static_cast<float>(rng.Gaussian());
  }
  return matrix;
}

/// Rows around `clusters` random centres: neighbours exist, unlike in plain Gaussian data.
inline Matrix ClusteredMatrix(uint64_t seed, size_t rows, size_t dim, size_t clusters) {
  const Matrix centres = GaussianMatrix(seed ^ 0x5EED, clusters, dim);
  Matrix matrix = GaussianMatrix(seed, rows, dim);
  Rng rng(seed + 1);
  for (size_t i = 0; i < rows; ++i) {
    const float* centre = centres.row(rng.Uniform(clusters));
    for (size_t j = 0; j < dim; ++j) {
      matrix.values[i * dim + j] = centre[j] + 0.4F * matrix.values[i * dim + j];
    }
  }
  return matrix;
}

/// Clustered rows of `rank` dimensions, turned into `dim` of them, with a little noise in all.
inline Matrix LowRankMatrix(uint64_t seed, size_t rows, size_t dim, size_t rank,
                            float noise = 0.02F) {
  const Matrix basis = GaussianMatrix(17, rank, dim);
  const Matrix low = ClusteredMatrix(seed, rows, rank, 10);
  Matrix matrix = GaussianMatrix(seed + 2, rows, dim);
  for (size_t i = 0; i < rows; ++i) {
    float* row = matrix.values.data() + i * dim;
    for (size_t j = 0; j < dim; ++j) {
      row[j] = 1 + noise * row[j];
      for (size_t r = 0; r < rank; ++r) {
        row[j] += low.row(i)[r] * basis.row(r)[j];
      }
    }
  }
  return matrix;
}

/// Small whole numbers: every distance is exact in float whatever the order of summation, and ties
/// abound, so an oracle must agree to the last bit and the last row number.
inline Matrix IntegerMatrix(uint64_t seed, size_t rows, size_t dim, size_t spread = 5) {
  Rng rng(seed);
  Matrix matrix{std::vector<float>(rows * dim), dim};
  for (float& value : matrix.values) {
    value = static_cast<float>(rng.Uniform(2 * spread + 1)) - static_cast<float>(spread);
  }
  return matrix;
}

inline void NormalizeRows(Matrix* matrix) {
  for (size_t i = 0; i < matrix->rows(); ++i) {
    float* row = matrix->values.data() + i * matrix->dim;
    if (!simd::NormalizeToUnit(row, row, matrix->dim)) {
      row[0] = 1.0F;
    }
  }
}

/// The definition: distance in double, then rounded to float.
inline float BruteDistance(const float* a, const float* b, size_t dim, Metric metric) {
  double sum = 0;
  for (size_t i = 0; i < dim; ++i) {
    const double x = a[i];
    const double y = b[i];
    sum += metric == Metric::kL2 ? (x - y) * (x - y) : x * y;
  }
  return static_cast<float>(metric == Metric::kL2 ? sum : 0.0 - sum);
}

inline std::vector<Neighbor> BruteForce(MatrixView vectors, const float* query, Metric metric,
                                        size_t k, const uint64_t* allowed = nullptr) {
  std::vector<Neighbor> all;
  for (size_t i = 0; i < vectors.rows; ++i) {
    if (IsAllowed(allowed, i)) {
      all.push_back({BruteDistance(query, vectors.row(i).data(), vectors.dim, metric),
                     static_cast<uint32_t>(i)});
    }
  }
  std::sort(all.begin(), all.end());
  all.resize(std::min(all.size(), k));
  return all;
}

/// A bitmap in which each of `rows` bits is set with probability `share`; bits beyond are set too,
/// as hostile padding.
inline std::vector<uint64_t> RandomBitmap(uint64_t seed, size_t rows, double share) {
  Rng rng(seed);
  std::vector<uint64_t> words((rows + 63) / 64, ~uint64_t{0});
  for (size_t i = 0; i < rows; ++i) {
    if (rng.UniformDouble() >= share) {
      words[i >> 6] &= ~(uint64_t{1} << (i & 63));
    }
  }
  return words;
}

inline size_t CountBits(const std::vector<uint64_t>& words, size_t rows) {
  size_t count = 0;
  for (size_t i = 0; i < rows; ++i) {
    count += IsAllowed(words.data(), i) ? 1U : 0U;
  }
  return count;
}

/// Serialised sections in 64-byte aligned memory, as a mapped segment file would hold them.
class MappedSections {
 public:
  explicit MappedSections(const std::vector<Section>& sections) {
    for (const Section& section : sections) {
      Add(section.type, section.bytes);
    }
  }

  void Add(uint32_t type, std::string_view bytes) {
    // Exactly as long as the bytes: AddressSanitizer sees a read past the end.
    blocks_.emplace_back(static_cast<char*>(::operator new (bytes.size(), std::align_val_t{64})));
    std::copy(bytes.begin(), bytes.end(), blocks_.back().get());
    views_.push_back({type, {blocks_.back().get(), bytes.size()}});
  }

  [[nodiscard]] std::span<const SectionView> views() const { return views_; }

 private:
  struct Free {
    void operator()(char* block) const { ::operator delete (block, std::align_val_t{64}); }
  };

  std::vector<std::unique_ptr<char, Free>> blocks_;
  std::vector<SectionView> views_;
};

/// A clock that moves by one nanosecond each time somebody looks at it: a deadline of n fails the
/// call at its n-th look, so a test can tell how often a loop looks.
class LookCountingClock : public Clock {
 public:
  int64_t UnixMillis() override { return 0; }

  int64_t MonotonicNanos() override { return ++looks_; }

  [[nodiscard]] int64_t looks() const { return looks_; }

 private:
  std::atomic<int64_t> looks_{0};
};

/// Share of the first k of `truth` that `found` holds.
inline double Recall(const std::vector<Neighbor>& found, const std::vector<Neighbor>& truth) {
  if (truth.empty()) {
    return 1;
  }
  size_t hits = 0;
  for (const Neighbor& want : truth) {
    hits += std::any_of(found.begin(), found.end(),
                        [&](const Neighbor& have) { return have.row == want.row; })
                ? 1U
                : 0U;
  }
  return static_cast<double>(hits) / static_cast<double>(truth.size());
}

/// Reads at most `max_rows` rows of an .fvecs file (i32 dimension, then the values, per row); empty
/// when the file is absent.
inline Matrix ReadFvecs(const std::string& path, size_t max_rows) {
  Matrix matrix;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    return matrix;
  }
  int32_t dim = 0;
  while (matrix.rows() < max_rows && std::fread(&dim, sizeof dim, 1, file) == 1 && dim > 0) {
    matrix.dim = static_cast<size_t>(dim);
    const size_t old_size = matrix.values.size();
    matrix.values.resize(old_size + matrix.dim);
    if (std::fread(matrix.values.data() + old_size, sizeof(float), matrix.dim, file) !=
        matrix.dim) {
      matrix.values.resize(old_size);
      break;
    }
  }
  std::fclose(file);
  return matrix;
}

}  // namespace leadline::index::testing
