#pragma once

/// 1-bit codes with a bound on their error (RaBitQ; Gao & Long 2024): a vector is turned in space
/// at random and keeps the signs of its values. These are, four at a time, 4-bit codes whose 16
/// codewords nobody needs to learn, so that a query's table and the scan are those of product
/// codes.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "leadline/core/round_up.h"
#include "leadline/core/types.h"
#include "product_quantizer.h"

namespace leadline::index {

inline constexpr size_t kSignsPerPart = 4;
/// Turns of a rotation that is drawn: after fewer, sparse vectors are not spread over all values.
inline constexpr size_t kRotationRounds = 4;
inline constexpr size_t kMaxRotationRounds = 16;

/// Values of a turned vector: `dim` and zeros up to whole lines of 64 bytes for a block.
constexpr size_t TurnedDim(size_t dim) {
  constexpr size_t kSignsPerLine = kSignsPerPart * simd::kPqPerLine;
  return RoundUp(dim, kSignsPerLine);
}

/// How turned vectors of TurnedDim(dim) values are cut.
constexpr PqShape SignShape(size_t dim) {
  return {TurnedDim(dim), kSignsPerPart};
}

/// A rotation as it is stored, a bit a sign: [RotationBytes(dim, rounds)] drawn by `seed`.
std::vector<uint8_t> DrawRotation(size_t dim, uint64_t seed);

constexpr size_t RotationBytes(size_t dim, size_t rounds) {
  return rounds * TurnedDim(dim) / 8;
}

/// A random rotation of the differences of vectors to a centre. Immutable, thread-safe.
class BitRotation {
 public:
  BitRotation() = default;
  /// `centre` [dim] must outlive it; `bits` [RotationBytes(dim, rounds)] need not.
  BitRotation(const float* centre, size_t dim, const uint8_t* bits, size_t rounds);

  /// Turns vector - from, `from` being null for the centre.
  /// Shapes: vector and from [dim], turned and room [turned_dim()].
  void Turn(const float* vector, const float* from, float* turned, float* room) const;

  [[nodiscard]] size_t dim() const { return dim_; }

  [[nodiscard]] size_t turned_dim() const { return TurnedDim(dim_); }

  [[nodiscard]] size_t resident_bytes() const { return signs_.size() * sizeof(float); }

 private:
  const float* centre_ = nullptr;
  size_t dim_ = 0;
  size_t rounds_ = 0;
  std::vector<float> signs_;  ///< [rounds x turned_dim()]
};

/// What stands beside a row's signs.
struct BitTerms {
  float add = 0;
  float scale = 0;
};

/// Codes rows of one list after the other. Thread-compatible.
class BitEncoder {
 public:
  BitEncoder(const BitRotation& rotation, Metric metric);

  /// The base [dim] that rows are coded from; must outlive the next call.
  void SetBase(const float* base);

  /// Writes the codes of all parts of `row` [dim] to codes [turned_dim() / kSignsPerPart].
  BitTerms Encode(const float* row, uint8_t* codes);

 private:
  const BitRotation& rotation_;
  const Metric metric_;
  const float* base_ = nullptr;
  std::vector<float> turned_base_;
  std::vector<float> turned_;
  std::vector<float> room_;
};

/// A query as a table: for a row with signs s, base + step * (sum of its table entries) is about
/// the dot product of s and the turned difference of the query to the centre.
/// Thread-compatible; keeps its buffers for the next query.
class BitTable {
 public:
  BitTable() = default;
  BitTable(const BitTable&) = delete;
  BitTable& operator=(const BitTable&) = delete;
  ~BitTable() = default;

  void Prepare(const BitRotation& rotation, const float* query);

  /// [turned_dim() / kSignsPerPart x kCodewords] on a 64-byte boundary.
  [[nodiscard]] const uint8_t* bytes() const { return aligned_; }

  /// How SelectNear makes a distance of sums, for ListBlocks::adds and scales.
  [[nodiscard]] simd::SumToDistance map() const;

 private:
  std::vector<float> turned_;
  std::vector<float> room_;
  std::vector<uint8_t> storage_;
  uint8_t* aligned_ = nullptr;
  float base_ = 0;
  float step_ = 0;
};

}  // namespace leadline::index
