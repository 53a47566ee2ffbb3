#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "leadline/index/segment_index.h"

namespace leadline::index {

inline constexpr uint32_t kIvfSection = 40;
inline constexpr uint32_t kIvfLayoutVersion = 1;

/// Start of the section; storage/FORMAT.md, "IVF lists". Little-endian.
struct IvfHeader {
  uint32_t version;
  uint32_t nlist;
  uint32_t rows;
  uint32_t dim;
  uint32_t default_nprobe;
  uint32_t reserved[11];
};

static_assert(sizeof(IvfHeader) == 64);

/// Parts of a validated section; points into its bytes.
struct IvfView {
  uint32_t default_nprobe = 1;
  MatrixView centroids;               ///< [nlist x dim]
  std::span<const uint32_t> offsets;  ///< [nlist + 1] into row_ids
  std::span<const uint32_t> row_ids;  ///< [rows], ascending within a list
};

/// `assignment[r]` is the list of row r. `centroids` is [nlist x dim].
std::string EncodeIvf(const std::vector<float>& centroids, size_t dim,
                      const std::vector<uint32_t>& assignment, uint32_t default_nprobe);

/// Checks every count and offset, that centroids are finite, and that each row stands in exactly
/// one list. kDataLoss otherwise.
Result<IvfView> DecodeIvf(std::string_view bytes, size_t rows, size_t dim);

}  // namespace leadline::index
