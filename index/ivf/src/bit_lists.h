#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bit_quantizer.h"
#include "ivf_layout.h"
#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "list_blocks.h"

namespace leadline::index {

inline constexpr uint32_t kIvfBitsSection = 42;
inline constexpr uint32_t kIvfBitsVersion = 1;

/// Start of the section; storage/FORMAT.md, "IVF bit codes". Little-endian.
struct BitListsHeader {
  uint32_t version;
  uint32_t metric;  ///< Metric
  uint32_t rows;
  uint32_t dim;
  uint32_t nlist;
  uint32_t rounds;  ///< of the rotation
  uint32_t reserved[10];
};

static_assert(sizeof(BitListsHeader) == 64);

/// Parts of a validated section; points into its bytes, which must outlive it.
struct BitLists {
  ListBlocks blocks;
  BitRotation rotation;

  /// Checks header and size, that every float is finite and no scale negative. kDataLoss otherwise.
  static Result<BitLists> Open(std::string_view bytes, const IvfView& lists, Metric metric);

  [[nodiscard]] size_t resident_bytes() const {
    return blocks.first_block.size() * sizeof(uint32_t) + rotation.resident_bytes();
  }
};

/// Codes every row of `lists` (rows of `vectors`) by the signs of its turned difference to the mean
/// of its list. Equal bytes on any number of threads and at every SIMD level.
/// Errors: kCancelled, kDeadlineExceeded. May throw std::bad_alloc on the calling thread.
Result<std::string> EncodeBitLists(MatrixView vectors, const IvfView& lists, Metric metric,
                                   uint64_t seed, Executor* executor, const CallControl& control);

}  // namespace leadline::index
