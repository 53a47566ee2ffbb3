#pragma once

#include <cstddef>
#include <cstdint>

#include "leadline/core/round_up.h"
#include "leadline/simd/code_kernels.h"

namespace leadline::index {

inline constexpr uint32_t kAxesVersion = 1;

/// Axes that a segment may have.
inline constexpr size_t kMostAxes = 2048;

/// Start of the section; storage/FORMAT.md, "Principal axes". Little-endian.
struct AxesHeader {
  uint32_t version;
  uint32_t dim;
  uint32_t kept;
  uint32_t reserved[13];
};

static_assert(sizeof(AxesHeader) == 64);

/// Where the parts of a section lie, in bytes from its start. Follows from dim and kept alone.
struct AxesShape {
  AxesShape(size_t dim, size_t kept) {
    stride = RoundUp(dim, simd::kCodeBytes);
    end = mean;
    if (kept > 0) {
      scales = RoundUp(mean + dim * sizeof(float), simd::kCodeBytes);
      codes = RoundUp(scales + kept * sizeof(float), simd::kCodeBytes);
      end = codes + kept * stride + simd::kCodeBytes;
    }
  }

  size_t mean = sizeof(AxesHeader);  ///< [dim] f32
  size_t scales = 0;                 ///< [kept] f32
  size_t codes = 0;                  ///< [kept x stride]
  size_t stride = 0;
  size_t end = 0;
};

}  // namespace leadline::index
