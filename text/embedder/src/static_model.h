#pragma once

/// The static model file (.llsm): a WordPiece vocabulary and one 4-bit row per piece.
/// Little-endian.
///
///   offset  bytes  field
///        0      8  magic "LLSTATIC"
///        8      4  format version, 1
///       12      4  dim D, a multiple of 32 up to 4,096
///       16      4  vocabulary size V, 1 to 2^20
///       20      4  bits of a weight, 4
///       24      8  bytes B of all vocabulary strings together
///       32      4  model revision, from 1 up
///       36      4  reserved, 0
///       40      8  XXH3-64 of the file without these eight bytes
///       48     16  reserved, 0
///       64 4(V+1)  start of each string in the next section; the last entry is B
///        .      B  the strings, UTF-8, in the order of their ids
///        .     2V  one IEEE half-precision scale a row
///        .   VD/2  the rows; byte j of a row holds component j in its low and component j + D/2 in
///                  its high nibble, each stored plus 8 and in -7 .. 7
///
/// Each section starts at the next multiple of 64; the gap is zero. Component = scale * code; the
/// learned weight of a piece is folded into its scale. text/embedder/distil/llsm.py writes it.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "leadline/core/status.h"

namespace leadline::text {

/// A validated view of a model file. Immutable; the bytes must outlive it.
class StaticModel {
 public:
  /// Errors: kDataLoss for wrong magic, lengths, padding, checksum, scales that are not finite;
  /// kUnimplemented for another format version. Reads nothing outside `bytes`.
  static Result<StaticModel> Parse(std::string_view bytes);

  [[nodiscard]] size_t dim() const { return dim_; }

  [[nodiscard]] uint32_t revision() const { return revision_; }

  [[nodiscard]] uint64_t checksum() const { return checksum_; }

  [[nodiscard]] const std::vector<std::string_view>& vocabulary() const { return vocabulary_; }

  /// Adds row `id`, [dim], to `sums`. Undefined unless id < vocabulary().size().
  void Accumulate(uint32_t id, std::span<float> sums) const;

 private:
  StaticModel() = default;

  size_t dim_ = 0;
  uint32_t revision_ = 0;
  uint64_t checksum_ = 0;
  std::vector<std::string_view> vocabulary_;
  std::vector<float> scales_;
  const uint8_t* rows_ = nullptr;
};

/// The bytes of the model that is linked into the library.
std::string_view EmbeddedModelBytes();

}  // namespace leadline::text
