#pragma once

#include <cstdint>

namespace leadline::index {

inline constexpr uint32_t kCurveVersion = 1;

/// Start of the section; storage/FORMAT.md, "Search curve". Little-endian.
struct CurveHeader {
  uint32_t version;
  uint32_t kind;   ///< IndexKind
  uint32_t codes;  ///< CodeType
  uint32_t lists;
  uint32_t samples;
  uint32_t neighbors;
  uint32_t points;
  uint32_t reserved[9];
};

static_assert(sizeof(CurveHeader) == 64);

/// One point, as CurvePoint.
struct StoredPoint {
  uint32_t effort;
  uint32_t candidates;
  uint32_t rescore;
  float recall;
  float promised;
  float distances;
};

static_assert(sizeof(StoredPoint) == 24);

}  // namespace leadline::index
