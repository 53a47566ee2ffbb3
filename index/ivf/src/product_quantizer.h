#pragma once

/// 4-bit product codes (Jegou, Douze & Schmid 2011): a vector is cut into parts of a few values,
/// and each part is replaced by the nearest of 16 codewords learned from the data. A query turns
/// into a table of 16 numbers a part, so that sixteen rows are compared by looking bytes up in
/// registers (Andre, Kermarrec & Le Scouarnec 2015).

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/simd/code_kernels.h"

namespace leadline::index {

inline constexpr size_t kCodewords = 16;
inline constexpr size_t kMaxPqWidth = 16;

/// How vectors of `dim` values are cut. The last part may be shorter; padding parts fill the last
/// line of 64 bytes and count nothing.
struct PqShape {
  size_t dim = 0;
  size_t width = 1;  ///< values in a part, [1, kMaxPqWidth]

  [[nodiscard]] size_t parts() const { return (dim + width - 1) / width; }

  [[nodiscard]] size_t lines() const { return (parts() + simd::kPqPerLine - 1) / simd::kPqPerLine; }

  /// Floats of all codewords: [parts x width x kCodewords].
  [[nodiscard]] size_t codeword_floats() const { return parts() * width * kCodewords; }

  /// Bytes of kBlockRows rows.
  [[nodiscard]] size_t block_bytes() const { return lines() * simd::kCodeBytes; }
};

/// Learns codewords [parts x width x kCodewords] from rows - centroids[lists[row]] of at most
/// 16,384 rows chosen by `seed`. Equal on any number of threads. Looks at `control` once a part.
/// Shapes: rows [n x dim], lists [n], n >= 1. Errors: kCancelled, kDeadlineExceeded. May throw
/// std::bad_alloc on the calling thread.
Result<std::vector<float>> TrainCodewords(MatrixView rows, MatrixView centroids,
                                          std::span<const uint32_t> lists, PqShape shape,
                                          uint64_t seed, Executor* executor,
                                          const CallControl& control);

/// Writes the code of each part of `vector` [dim] to codes [parts], and to `decoded` [dim] what it
/// stands for. Ties go to the lower code.
void EncodeParts(PqShape shape, const float* codewords, const float* vector, uint8_t* codes,
                 float* decoded);

/// Puts the codes of row `r` (< kBlockRows) where simd::CodeKernels::TableSums looks for them.
/// `block` [block_bytes] must hold zeros for that row.
void PlaceInBlock(PqShape shape, const uint8_t* codes, size_t r, uint8_t* block);

/// A query as a table of bytes: the sum of factor * dot(query part, codeword) over a row's parts is
/// base + step * (sum of the row's table entries), up to half a step a part.
/// Thread-compatible; keeps its buffers for the next query.
class PqTable {
 public:
  PqTable() = default;
  PqTable(const PqTable&) = delete;
  PqTable& operator=(const PqTable&) = delete;
  ~PqTable() = default;

  void Prepare(PqShape shape, const float* codewords, const float* query, float factor);

  /// [8 * lines x 16] on a 64-byte boundary.
  [[nodiscard]] const uint8_t* bytes() const { return aligned_; }

  [[nodiscard]] float base() const { return base_; }

  [[nodiscard]] float step() const { return step_; }

 private:
  std::vector<float> values_;
  std::vector<uint8_t> storage_;
  uint8_t* aligned_ = nullptr;
  float base_ = 0;
  float step_ = 0;
};

}  // namespace leadline::index
